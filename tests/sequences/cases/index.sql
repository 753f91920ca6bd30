-- case: create an index
-- change:
CREATE INDEX users_name_idx ON users (name);

-- case: create an index without a name
-- change:
CREATE INDEX ON users (name, age);

-- case: create an index without a name that is taken
-- before:
CREATE TABLE users_name_idx (id int);
-- change:
CREATE INDEX ON users (name);

-- case: create an index on an expression without a name
-- change:
CREATE INDEX ON users (lower(name), (age + 1));

-- case: create an index in a schema
-- change:
CREATE INDEX lines_price ON sales.lines (price);

-- case: create an index without a name in a schema
-- change:
CREATE INDEX ON sales.lines (price);

-- case: create a unique index
-- change:
CREATE UNIQUE INDEX users_email ON users (email);

-- case: create an index that is partial and covers
-- change:
CREATE INDEX open_orders ON orders USING btree (user_id DESC NULLS LAST) INCLUDE (total) WITH (fillfactor = 80) WHERE state = 'new';

-- case: create an index of another method
-- change:
CREATE INDEX users_age_brin ON users USING brin (age);

-- case: create an index with an operator class
-- change:
CREATE INDEX users_name_like ON users (name text_pattern_ops);

-- case: create an index concurrently
-- change:
CREATE INDEX CONCURRENTLY users_name_idx ON users (name);

-- case: create an index if not exists
-- change:
CREATE INDEX IF NOT EXISTS users_name_idx ON users (name);

-- case: create an index that is there
-- change:
CREATE INDEX IF NOT EXISTS orders_state_idx ON orders (state);

-- case: create an index on a partitioned table
-- change:
CREATE INDEX events_id ON events (id);

-- case: create an index without a name on a partitioned table
-- change:
CREATE INDEX ON events (lower(what), id) WHERE id > 5;

-- case: create a unique index on a partitioned table
-- change:
CREATE UNIQUE INDEX events_once ON events (at, id);

-- case: create an index of which a partition has one already
-- before:
CREATE INDEX events_2025_what ON events_2025 (what);
-- way back: none
-- change:
CREATE INDEX events_what ON events (what);

-- case: create an index on a table whose partitions are partitioned
-- before:
CREATE TABLE events_2028 PARTITION OF events FOR VALUES FROM ('2028-01-01') TO ('2029-01-01') PARTITION BY LIST (what);
CREATE TABLE events_2028_a PARTITION OF events_2028 FOR VALUES IN ('a');
CREATE TABLE events_2028_rest PARTITION OF events_2028 DEFAULT;
-- change:
CREATE INDEX events_what ON events (what, id);

-- case: create an index on a partition
-- change:
CREATE INDEX events_2025_id ON events_2025 (id);

-- case: create an index on a materialized view
-- change:
CREATE INDEX totals_total ON totals (total);

-- case: create an index with odd names
-- change:
CREATE INDEX "an index; --" ON "Odd ""Name" ("Column 1");

-- case: create several indexes
-- change:
CREATE INDEX users_a ON users (age);
CREATE INDEX users_b ON users (plan);
CREATE UNIQUE INDEX users_c ON users (email);

-- case: drop an index
-- change:
DROP INDEX orders_state_idx;

-- case: drop a unique index
-- change:
DROP INDEX orders_code_key;

-- case: drop two indexes
-- change:
DROP INDEX orders_state_idx, orders_code_key;

-- case: drop an index concurrently
-- change:
DROP INDEX CONCURRENTLY orders_state_idx;

-- case: drop an index if exists
-- change:
DROP INDEX IF EXISTS orders_state_idx;

-- case: rename an index
-- change:
ALTER INDEX orders_state_idx RENAME TO orders_by_state;

-- case: reindex an index
-- change:
REINDEX INDEX orders_state_idx;

-- case: reindex a table
-- change:
REINDEX TABLE orders;

-- case: an index and then a column
-- change:
CREATE INDEX users_name_idx ON users (name);
ALTER TABLE users ADD COLUMN phone text;
CREATE INDEX users_phone_idx ON users (phone);
