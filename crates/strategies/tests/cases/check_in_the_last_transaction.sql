-- case: check SELECT id FROM orders WHERE place IS NULL; SELECT 1 WHERE false
ALTER TABLE orders ADD COLUMN place text;
ALTER TABLE orders ADD COLUMN street text;
