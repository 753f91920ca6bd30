ALTER TABLE orders DROP COLUMN legacy;
ALTER TABLE orders ADD COLUMN place text;
CREATE INDEX orders_place_idx ON orders (place);
