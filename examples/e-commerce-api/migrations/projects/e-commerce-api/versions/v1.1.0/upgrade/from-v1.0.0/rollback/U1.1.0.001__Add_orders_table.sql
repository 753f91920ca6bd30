-- Takes back V1.1.0.001__Add_orders_table.sql.
DROP TABLE IF EXISTS orders;
