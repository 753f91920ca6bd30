-- case: as written
ALTER TABLE orders ADD COLUMN place text;
CREATE INDEX orders_place_idx ON orders (place);
ALTER TABLE orders ALTER COLUMN note SET NOT NULL;
