-- case: engine mysql
-- case: strategy shadow-table
ALTER TABLE orders MODIFY COLUMN amount decimal(20, 4) NOT NULL;
CREATE TABLE totals (id int PRIMARY KEY);
