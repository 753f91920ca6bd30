-- case: rewrites
-- case: obstacle it is the parent of other tables: change these one by one
ALTER TABLE orders ALTER COLUMN amount TYPE numeric(20, 4);
