CREATE STATISTICS orders_by_status ON status, customer_id FROM orders;
ALTER TABLE orders ALTER COLUMN status SET STATISTICS 500, SET (fillfactor = 90);
ANALYZE orders;
