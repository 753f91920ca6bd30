INSERT INTO customers (email, city, handle) SELECT 'c' || n || '@example.com', 'Ulm', 'h' || n FROM generate_series(1, 2000) n;
INSERT INTO orders (customer_id, total) SELECT n, n FROM generate_series(1, 2000) n;
