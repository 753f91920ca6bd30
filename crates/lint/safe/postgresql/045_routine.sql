CREATE OR REPLACE FUNCTION orders_of(customer bigint) RETURNS bigint LANGUAGE sql STABLE
    AS 'SELECT count(*) FROM orders WHERE customer_id = customer';
