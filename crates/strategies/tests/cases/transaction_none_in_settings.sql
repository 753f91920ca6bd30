-- case: settings without transaction
ALTER TABLE orders ADD COLUMN place text;
UPDATE orders SET place = '' WHERE id < 1000;
