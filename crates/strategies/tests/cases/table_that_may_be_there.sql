CREATE TABLE IF NOT EXISTS customers (id bigint);
CREATE INDEX customers_id_idx ON customers (id);
