-- case: rewrites
-- case: created orders
ALTER TABLE orders ALTER COLUMN amount TYPE numeric(20, 4);
