INSERT INTO customers (email) VALUES ('a@example.com'), ('b@example.com');
