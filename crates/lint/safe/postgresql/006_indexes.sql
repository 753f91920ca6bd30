-- cofferdam:transaction none
CREATE INDEX CONCURRENTLY orders_placed_at ON orders (placed_at) WHERE status = 'new';
CREATE INDEX CONCURRENTLY IF NOT EXISTS customers_lower_email ON customers (lower(email));
