SELECT 'it''s; here', "say ""so""; now", `a``b;c`;
SELECT 'a\';b', "c\";d", 'e\\';
SELECT '"', "'", '`', `'"`;
SELECT `back\slash`;
SELECT 'two
lines; of it';
