UPDATE orders SET note = '' WHERE note IS NULL;
CREATE INDEX CONCURRENTLY orders_legacy_idx ON orders (legacy);
