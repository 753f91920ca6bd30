-- case: engine mariadb
CREATE TABLE totals (id int PRIMARY KEY);
ALTER TABLE orders MODIFY COLUMN amount decimal(20, 4) NOT NULL;
