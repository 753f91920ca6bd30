CREATE INDEX orders_legacy_idx ON orders (legacy);
UPDATE orders SET note = '' WHERE note IS NULL;
ALTER TABLE orders ADD COLUMN place text;
