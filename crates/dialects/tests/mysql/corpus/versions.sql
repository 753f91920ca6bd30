/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE t (a INT /*!80023 INVISIBLE */, b INT) /*!50100 PARTITION BY KEY (a) */;
/*M!100100 SELECT 'a;b' */;
/*!50003 SELECT /* plain */ 1 */;
/*!999999 nobody reads; this */
/*M!999999\- enable the sandbox mode */
SELECT 1;
