-- Takes back V1.1.0.002__Index_orders.sql.
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_status;
DROP INDEX CONCURRENTLY IF EXISTS idx_orders_user_id;
