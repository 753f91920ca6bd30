-- case: as written
ALTER TABLE orders ADD COLUMN place text;
CREATE INDEX CONCURRENTLY orders_place_idx ON orders (place);
