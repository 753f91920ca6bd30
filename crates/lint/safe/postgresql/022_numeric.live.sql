ALTER TABLE orders ALTER COLUMN weight TYPE numeric(12,2);
