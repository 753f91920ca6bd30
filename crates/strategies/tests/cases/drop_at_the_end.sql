CREATE INDEX orders_legacy_idx ON orders (legacy);
ALTER TABLE orders ADD COLUMN place text;
ALTER TABLE orders DROP COLUMN note;
