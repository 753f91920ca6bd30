-- case: check SELECT id FROM orders WHERE note IS NULL
-- cofferdam:transaction none
ALTER TABLE orders ADD COLUMN place text;
