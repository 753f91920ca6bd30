CREATE UNIQUE INDEX CONCURRENTLY customers_handle ON customers (handle);
