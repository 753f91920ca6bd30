ALTER TABLE orders ADD COLUMN place text;
CREATE INDEX CONCURRENTLY orders_place_idx ON orders (place);
ALTER TABLE orders ADD COLUMN street text;
ALTER TABLE orders ADD COLUMN town text;
