-- case: rewrites
-- case: as written
ALTER TABLE orders ALTER COLUMN amount TYPE numeric(20, 4);
