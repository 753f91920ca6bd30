CREATE TYPE mood AS ENUM ('low', 'high');
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name varchar(50),
    feels mood DEFAULT 'low'
);
CREATE TABLE orders (id int PRIMARY KEY, user_id bigint, total numeric(10, 2) NOT NULL, state text DEFAULT 'new');
CREATE INDEX orders_state ON orders (state) WHERE state <> 'done';
CREATE VIEW open_orders AS SELECT id, total FROM orders WHERE state <> 'done';
