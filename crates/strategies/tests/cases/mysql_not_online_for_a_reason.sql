-- case: engine mysql
-- case: rewrites
-- case: obstacle public.orders has the trigger tr, which stays with the old table
ALTER TABLE orders MODIFY COLUMN amount decimal(20, 4) NOT NULL;
