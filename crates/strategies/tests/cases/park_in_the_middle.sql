-- case: park 604800
ALTER TABLE orders ADD COLUMN place text;
DROP TABLE IF EXISTS plans, app.items CASCADE;
CREATE INDEX orders_place_idx ON orders (place);
