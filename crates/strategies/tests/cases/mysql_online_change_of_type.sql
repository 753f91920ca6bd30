-- case: engine mysql
-- case: rewrites
-- case: note the server removes its binary log after 1 hours
ALTER TABLE orders MODIFY COLUMN amount decimal(20, 4) NOT NULL;
