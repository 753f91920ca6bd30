-- case: engine mysql
-- case: no rewrite
ALTER TABLE orders ADD COLUMN x int;
