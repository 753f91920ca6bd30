CREATE VIEW open_orders AS SELECT id, customer_id, total FROM orders WHERE status = 'open';
