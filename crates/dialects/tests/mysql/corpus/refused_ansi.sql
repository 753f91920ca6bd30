SET SESSION sql_mode = CONCAT(@@sql_mode, ",ANSI_QUOTES");
SELECT "a\"b";
