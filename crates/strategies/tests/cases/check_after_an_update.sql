-- case: check SELECT id FROM orders WHERE note IS NULL
UPDATE orders SET note = '' WHERE note IS NULL;
