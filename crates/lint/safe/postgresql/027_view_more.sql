CREATE OR REPLACE VIEW open_orders AS SELECT id, customer_id, total, note FROM orders WHERE status = 'open';
