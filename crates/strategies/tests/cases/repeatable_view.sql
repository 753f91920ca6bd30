-- case: repeatable
CREATE OR REPLACE VIEW big_orders AS SELECT * FROM orders WHERE amount > 1000;
