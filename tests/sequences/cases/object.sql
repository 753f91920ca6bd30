-- case: create a table
-- change:
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL UNIQUE, price numeric CHECK (price > 0), user_id bigint REFERENCES users);

-- case: create a table if not exists
-- change:
CREATE TABLE IF NOT EXISTS items (id int);

-- case: create a table that is there
-- change:
CREATE TABLE IF NOT EXISTS users (id int);

-- case: create a table with its index and rows
-- change:
CREATE TABLE items (id int PRIMARY KEY, name text);
CREATE INDEX items_name ON items (name);
ALTER TABLE items ADD COLUMN price numeric NOT NULL DEFAULT 0;

-- case: create a table with a hostile name
-- change:
CREATE TABLE "x""; DROP TABLE users; --" ("y""; DROP TABLE orders; --" int PRIMARY KEY);

-- case: create an unlogged table
-- change:
CREATE UNLOGGED TABLE cache (key text PRIMARY KEY, value text);

-- case: create a table like another
-- change:
CREATE TABLE archive (LIKE orders INCLUDING ALL);

-- case: create a table from a query
-- change:
CREATE TABLE old AS SELECT id, name FROM users WHERE id < 10 ORDER BY id;

-- case: create a partition
-- change:
CREATE TABLE events_2028 PARTITION OF events FOR VALUES FROM ('2028-01-01') TO ('2029-01-01');

-- case: create a partitioned table
-- change:
CREATE TABLE logs (id bigint, at date) PARTITION BY RANGE (at);
CREATE TABLE logs_2026 PARTITION OF logs FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');

-- case: attach a partition
-- change:
ALTER TABLE events ATTACH PARTITION events_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');

-- case: detach a partition
-- way back: none
-- change:
ALTER TABLE events DETACH PARTITION events_2025;

-- case: rename a table
-- change:
ALTER TABLE orders RENAME TO purchases;

-- case: rename a table in a schema
-- change:
ALTER TABLE sales.lines RENAME TO "order lines";

-- case: rename a view
-- way back: any
-- change:
ALTER VIEW adults RENAME TO grown_ups;

-- case: move a table to a schema
-- change:
ALTER TABLE orders SET SCHEMA sales;

-- case: make a table unlogged
-- change:
ALTER TABLE events_2027 SET UNLOGGED;

-- case: set a storage parameter
-- way back: any
-- change:
ALTER TABLE users SET (fillfactor = 80);

-- case: inherit from a table
-- before:
CREATE TABLE base (id bigint);
-- change:
ALTER TABLE events_2027 INHERIT base;

-- case: enable row security
-- way back: any
-- change:
ALTER TABLE users ENABLE ROW LEVEL SECURITY;

-- case: drop a table
-- way back: none
-- change:
DROP TABLE sales.lines;

-- case: drop a table that is not there
-- change:
DROP TABLE IF EXISTS nothing;

-- case: create a view
-- change:
CREATE VIEW names AS SELECT name FROM users;

-- case: replace a view
-- way back: none
-- change:
CREATE OR REPLACE VIEW adults AS SELECT id, name FROM users WHERE age > 20;

-- case: create or replace a view that is new
-- way back: any
-- change:
CREATE OR REPLACE VIEW names AS SELECT name FROM users;

-- case: drop a view
-- way back: none
-- change:
DROP VIEW adults;

-- case: create a materialized view
-- change:
CREATE MATERIALIZED VIEW ages AS SELECT age, count(*) FROM users GROUP BY age;

-- case: refresh a materialized view
-- change:
REFRESH MATERIALIZED VIEW totals;

-- case: refresh a materialized view concurrently
-- change:
REFRESH MATERIALIZED VIEW CONCURRENTLY totals;

-- case: create a sequence
-- change:
CREATE SEQUENCE sales.numbers INCREMENT 5;

-- case: create a sequence that is there
-- change:
CREATE SEQUENCE IF NOT EXISTS numbers;

-- case: drop a sequence
-- way back: none
-- change:
DROP SEQUENCE numbers;

-- case: create an enum
-- change:
CREATE TYPE colour AS ENUM ('red', 'green');

-- case: create a composite type
-- change:
CREATE TYPE point3 AS (x int, y int, z int);

-- case: add a value to an enum
-- way back: none
-- change:
ALTER TYPE mood ADD VALUE 'middling' BEFORE 'high';

-- case: rename a value of an enum
-- change:
ALTER TYPE mood RENAME VALUE 'low' TO 'it''s low';

-- case: create a domain
-- change:
CREATE DOMAIN sales.share AS numeric CHECK (VALUE BETWEEN 0 AND 1);

-- case: create a function
-- change:
CREATE FUNCTION thrice(n int, m int DEFAULT 3) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT n * m; $$;

-- case: create a function with odd arguments
-- change:
CREATE FUNCTION sales.odd("a b" text, OUT c int, VARIADIC d numeric(10, 2)[]) LANGUAGE plpgsql AS $$ BEGIN c := 1; END $$;

-- case: create an overloaded function
-- change:
CREATE FUNCTION twice(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n';

-- case: replace a function
-- way back: none
-- change:
CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n + n';

-- case: create a function with an atomic body
-- change:
CREATE FUNCTION one_more(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT n + 1; END;

-- case: create a procedure
-- change:
CREATE PROCEDURE tidy(INOUT n int) LANGUAGE plpgsql AS $$ BEGIN n := 1; END $$;

-- case: create a trigger
-- change:
CREATE TRIGGER touched BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();

-- case: drop a trigger
-- before:
CREATE TRIGGER touched BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
-- way back: none
-- change:
DROP TRIGGER touched ON users;

-- case: create a policy
-- change:
CREATE POLICY own_rows ON users USING (name = current_user);

-- case: create a schema
-- change:
CREATE SCHEMA audit;

-- case: create a schema that is there
-- change:
CREATE SCHEMA IF NOT EXISTS sales;

-- case: create a schema and a table in it
-- change:
CREATE SCHEMA audit;
CREATE TABLE audit.trail (id bigint PRIMARY KEY, what text);
CREATE INDEX ON audit.trail (what);

-- case: create an extension
-- change:
CREATE EXTENSION citext;

-- case: create statistics
-- change:
CREATE STATISTICS users_age_plan (dependencies) ON age, plan FROM users;

-- case: grant
-- way back: none
-- change:
GRANT SELECT ON users TO PUBLIC;

-- case: revoke
-- way back: none
-- change:
REVOKE ALL ON FUNCTION twice(int) FROM PUBLIC;

-- case: comment
-- way back: none
-- change:
COMMENT ON TABLE users IS 'who they are; and why';

-- case: a block
-- way back: none
-- change:
DO $$ BEGIN EXECUTE 'CREATE TABLE by_block (id int);'; END $$;

-- case: give a table to another owner
-- change:
ALTER TABLE users OWNER TO keeper;
