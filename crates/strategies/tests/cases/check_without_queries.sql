-- case: check -- nothing yet
ALTER TABLE orders ADD COLUMN place text;
