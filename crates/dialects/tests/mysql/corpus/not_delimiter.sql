SELECT delimiter FROM t;
CREATE TABLE t (
delimiter INT
);
SELECT 1;
