SET @a = 1, @`b;c` = 2, @'d;e' = 3;
GRANT SELECT ON *.* TO 'u'@'%', `v`@`h;x`;
SELECT @@global.x, \N;
