-- case: rewrites
-- case: manual
-- case: check SELECT 1 FROM orders WHERE amount IS NULL;
BEGIN;
ALTER TABLE ONLY orders ALTER COLUMN amount TYPE numeric(20, 4), ADD COLUMN x int;
COMMIT;
