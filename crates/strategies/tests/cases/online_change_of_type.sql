-- case: rewrites
-- case: note one view is made anew
ALTER TABLE orders ALTER COLUMN amount TYPE numeric(20, 4);
