-- case: park 3600
ALTER TABLE small DROP COLUMN a, ADD COLUMN b int;
