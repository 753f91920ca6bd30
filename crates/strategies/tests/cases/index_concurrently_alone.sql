CREATE UNIQUE INDEX CONCURRENTLY orders_legacy_idx ON orders (legacy);
