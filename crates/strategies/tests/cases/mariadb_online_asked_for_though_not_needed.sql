-- case: engine mariadb
-- case: strategy shadow-table
-- case: no rewrite
ALTER TABLE orders ADD COLUMN x int;
