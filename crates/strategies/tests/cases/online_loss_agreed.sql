-- case: rewrites
-- case: loss orders.amount: digits behind the point
-- case: agreed they are all zero
ALTER TABLE orders ALTER COLUMN amount TYPE numeric(20, 0);
