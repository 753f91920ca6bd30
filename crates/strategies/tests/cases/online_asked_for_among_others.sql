-- case: strategy shadow-table
-- case: rewrites
ALTER TABLE orders ALTER COLUMN amount TYPE numeric(20, 4);
COMMENT ON TABLE orders IS 'x';
