-- Queries that must return no row once V1.1.0.001__Add_orders_table.sql has run.
SELECT name FROM (VALUES ('id'), ('user_id'), ('order_number'), ('status'), ('total_amount'), ('created_at')) AS needed (name)
WHERE NOT EXISTS (SELECT FROM information_schema.columns WHERE table_name = 'orders' AND column_name = needed.name);
