-- Each SELECT must return no row.
SELECT id FROM orders WHERE customer_id NOT IN (SELECT id FROM customers);
