-- case: insert
-- way back: none
-- change:
INSERT INTO users (id, email) VALUES (1000, 'a;b'), (1001, $$c'd$$);

-- case: update
-- way back: none
-- change:
UPDATE users SET plan = 'paid' WHERE id = 7;

-- case: delete
-- way back: none
-- change:
DELETE FROM users WHERE id > 290;

-- case: merge
-- way back: none
-- change:
MERGE INTO users u USING orders o ON u.id = o.id WHEN MATCHED AND o.id = 3 THEN UPDATE SET name = 'merged';

-- case: truncate
-- way back: none
-- change:
TRUNCATE sales.lines;

-- case: rows of a copy
-- way back: none
-- change:
COPY users (id, name, email) FROM stdin;
2000	it's; here	a@example.org
2001	\N	tab\there
\.
UPDATE users SET age = 1 WHERE id = 2000;

-- case: select only
-- change:
SELECT count(*) FROM users;

-- case: vacuum
-- change:
VACUUM users;

-- case: analyze
-- change:
ANALYZE users;

-- case: cluster
-- before:
CREATE INDEX by_age ON users (age);
-- way back: stays
-- change:
CLUSTER users USING users_pkey;

-- case: lock a table
-- change:
BEGIN;
LOCK TABLE users IN SHARE MODE;
COMMIT;

-- case: settings of the session
-- change:
SET work_mem = '8MB';
SET LOCAL statement_timeout = '5min';

-- case: names by another search path
-- way back: any
-- change:
SET search_path = sales;
CREATE TABLE refunds (id int PRIMARY KEY);
CREATE INDEX ON lines (item);

-- case: an index by another search path, where another table has the same name
-- before:
CREATE TABLE lines (item int);
CREATE INDEX ON lines (item);
-- way back: any
-- change:
SET search_path = sales;
CREATE INDEX ON lines (item);

-- case: a table by another search path, where another table has the same name
-- before:
CREATE TABLE refunds (id int, precious text);
INSERT INTO refunds VALUES (1, 'not to be dropped');
-- way back: any
-- change:
SET search_path = sales;
CREATE TABLE refunds (id int PRIMARY KEY);

-- case: an own transaction
-- change:
BEGIN;
ALTER TABLE users ADD COLUMN phone text;
CREATE TABLE phones (id int);
COMMIT;

-- case: a procedure that is called
-- before:
CREATE PROCEDURE work() LANGUAGE sql AS 'UPDATE users SET age = 1 WHERE id = 1';
-- way back: none
-- change:
CALL work();

-- case: statements of many kinds
-- change:
CREATE TYPE size AS ENUM ('s', 'm');
CREATE TABLE shirts (id int PRIMARY KEY, size size NOT NULL DEFAULT 's');
ALTER TABLE orders ADD COLUMN shirt_id int REFERENCES shirts;
CREATE INDEX ON orders (shirt_id);
CREATE VIEW small_shirts AS SELECT id FROM shirts WHERE size = 's';
CREATE FUNCTION shirts() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM shirts';
ALTER TABLE users ALTER COLUMN name SET NOT NULL;
