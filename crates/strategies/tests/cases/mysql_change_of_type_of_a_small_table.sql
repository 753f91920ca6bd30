-- case: engine mysql
ALTER TABLE customers MODIFY COLUMN id int NOT NULL;
