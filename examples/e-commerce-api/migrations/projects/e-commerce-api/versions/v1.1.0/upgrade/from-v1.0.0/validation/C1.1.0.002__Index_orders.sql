-- Queries that must return no row once V1.1.0.002__Index_orders.sql has run. An index that is not valid is none.
SELECT name FROM (VALUES ('idx_orders_user_id'), ('idx_orders_status')) AS needed (name)
WHERE NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(needed.name) AND indisvalid);
