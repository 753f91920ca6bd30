ALTER TABLE users RENAME COLUMN name TO full_name;
ALTER INDEX orders_state RENAME TO orders_open_state;
CREATE TABLE "Price ""List" ("key" int, price numeric) PARTITION BY LIST ("key");
CREATE TABLE "Price ""List 1" PARTITION OF "Price ""List" FOR VALUES IN (1);
CREATE MATERIALIZED VIEW totals AS SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id;
CREATE DOMAIN share AS numeric CHECK (VALUE BETWEEN 0 AND 1);
