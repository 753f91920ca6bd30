-- case: check SELECT id FROM orders WHERE legacy IS NULL
CREATE INDEX orders_legacy_idx ON orders (legacy);
