-- case: no rewrite
ALTER TABLE orders ALTER COLUMN amount TYPE numeric(20, 4);
