-- case: engine mysql
ALTER TABLE orders MODIFY COLUMN amount decimal(20, 4) NOT NULL;
