/*!80000 SELECT 'a */ b' */;
