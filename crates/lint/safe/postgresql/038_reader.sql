CREATE ROLE safe_reader;
GRANT SELECT ON orders, customers TO safe_reader;
