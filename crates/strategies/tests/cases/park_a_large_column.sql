-- case: park 3600
ALTER TABLE orders DROP COLUMN legacy;
