ALTER TABLE customers ADD CONSTRAINT customers_handle UNIQUE USING INDEX customers_handle;
