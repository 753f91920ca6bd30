-- cofferdam:transaction none
ALTER TABLE orders ADD COLUMN place text;
UPDATE orders SET place = '' WHERE id < 1000;
CREATE INDEX CONCURRENTLY orders_place_idx ON orders (place);
VACUUM orders;
