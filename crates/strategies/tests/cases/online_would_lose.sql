-- case: rewrites
-- case: loss orders.amount: digits behind the point
ALTER TABLE orders ALTER COLUMN amount TYPE numeric(20, 0);
