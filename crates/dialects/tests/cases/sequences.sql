-- Statements with what their native safe form and their way back must be, for a test against a real server.
--
-- Up to the first case: what every case finds. Each case, in a database of its own:
--   -- case: NAME
--   -- expect: FORM, BACK [, FLAG ...]
--   more setup, may be empty
--   -- then
--   the one statement
-- FORM   `safe`: safe_sequence gives steps. `written`: it gives none.
-- BACK   `back`: undo gives acts. `nothing`: it is Nothing. `none`: it is Impossible.
-- FLAGS  `unlike`: after the way back the schema is not what it was, for the reason that the comment gives.
--        `unmeasured`: what the statement locks, reads and rewrites is not compared.
--        `from-15`, `until-17`: it holds from, or until, that version of PostgreSQL.
-- The test: setup, dump the schema (A), the statement, dump (B), its undo, dump: A again. From the setup anew: the
-- steps of the sequence, dump: B; their undos, last first, dump: A. Each probe that is a question about the catalog
-- says done after its act. In a transaction that is rolled back, effect's lock, rewrites and scans are those that
-- pg_locks, relfilenode and seq_tup_read show.

CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name text);
CREATE TABLE orders (
    id bigint NOT NULL,
    user_id bigint,
    note text,
    code varchar(20) DEFAULT 'x',
    amount numeric(10, 2) NOT NULL DEFAULT 0,
    qty int,
    at timestamp,
    data jsonb DEFAULT '{}'
);
INSERT INTO users SELECT i, 'u' || i, 'n' || i FROM generate_series(1, 200) i;
INSERT INTO orders SELECT i, i, 'note ' || i, 'c' || i, i, i, now(), '{}' FROM generate_series(1, 200) i;

-- case: create index
-- expect: safe, back
-- then
CREATE INDEX ix_orders_note ON orders (note)

-- case: create index without a name
-- expect: safe, back
-- then
CREATE INDEX ON orders (note)

-- case: create index without a name, and the name is taken
-- expect: safe, back
CREATE INDEX ON orders (note);
-- then
CREATE INDEX ON orders (note)

-- case: create index without a name on expressions
-- expect: safe, back
-- then
CREATE INDEX ON orders (lower(note), (qty + 1), ((data ->> 'k')), ((data ->> 'n')::int), (note || code), coalesce(note, code) COLLATE "C" DESC, (CAST(qty AS text)), date_trunc('day', at)) WHERE qty > 0

-- case: create unique index with everything
-- expect: safe, back, from-15
-- then
CREATE UNIQUE INDEX IF NOT EXISTS "Ix Orders" ON orders USING btree (id DESC NULLS LAST, code varchar_pattern_ops) INCLUDE (qty) NULLS NOT DISTINCT WITH (fillfactor = 70) WHERE id > 0

-- case: create unique index on public.orders
-- expect: safe, back
-- then
CREATE UNIQUE INDEX ON public.orders USING btree (id) INCLUDE (qty, note)

-- case: create index that is there
-- expect: safe, nothing, unmeasured
CREATE INDEX ix_orders_note ON orders (note);
-- then
CREATE INDEX IF NOT EXISTS ix_orders_note ON orders (note)

-- case: create index concurrently
-- expect: safe, back
-- then
CREATE INDEX CONCURRENTLY ix_orders_note ON orders (note)

-- case: create index on a long name
-- expect: safe, back
CREATE TABLE a_table_with_a_name_that_is_quite_long_already (id bigint, a_column_with_a_name_that_is_long_as_well text, é int);
INSERT INTO a_table_with_a_name_that_is_quite_long_already SELECT i FROM generate_series(1, 100) i;
-- then
CREATE INDEX ON a_table_with_a_name_that_is_quite_long_already (a_column_with_a_name_that_is_long_as_well, id, é)

-- case: create index on a partitioned table
-- expect: written, back, unmeasured
CREATE TABLE events (at date NOT NULL, n int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
-- then
CREATE INDEX ON events (n)

-- case: create index on a partition
-- expect: safe, back, unmeasured
CREATE TABLE events (at date NOT NULL, n int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
-- then
CREATE INDEX ON events_1 (n)

-- case: create index on a materialized view
-- expect: safe, back, unmeasured
CREATE MATERIALIZED VIEW totals AS SELECT user_id, sum(amount) AS total FROM orders GROUP BY 1;
-- then
CREATE UNIQUE INDEX ON totals (user_id)

-- case: drop index
-- expect: safe, back, unmeasured
CREATE INDEX ix_orders_note ON orders USING btree (lower(note) DESC) WHERE qty > 0;
-- then
DROP INDEX ix_orders_note

-- case: drop several indexes
-- expect: safe, back, unmeasured
CREATE INDEX ix_a ON orders (note);
CREATE UNIQUE INDEX ix_b ON orders (id) INCLUDE (qty);
-- then
DROP INDEX IF EXISTS ix_a, public.ix_b

-- case: drop index cascade
-- expect: written, none, unmeasured
CREATE INDEX ix_a ON orders (note);
-- then
DROP INDEX ix_a CASCADE

-- case: rename index
-- expect: written, back, unmeasured
CREATE INDEX ix_a ON orders (note);
-- then
ALTER INDEX public.ix_a RENAME TO "Ix B"

-- case: reindex table
-- expect: safe, nothing
CREATE INDEX ix_a ON orders (note);
-- then
REINDEX (VERBOSE) TABLE orders

-- case: reindex index
-- expect: safe, nothing, unmeasured
CREATE INDEX ix_a ON orders (note);
-- then
REINDEX INDEX public.ix_a

-- case: set not null
-- expect: safe, back
-- then
ALTER TABLE orders ALTER COLUMN note SET NOT NULL

-- case: set not null of several columns
-- expect: safe, back
-- then
ALTER TABLE public.orders ALTER note SET NOT NULL, ADD COLUMN state text NOT NULL DEFAULT 'new, or old', ALTER COLUMN qty SET DEFAULT 1, ALTER qty SET NOT NULL

-- case: set not null where it is
-- expect: written, nothing
-- then
ALTER TABLE orders ALTER COLUMN amount SET NOT NULL

-- case: set not null beside a valid check
-- expect: written, back
ALTER TABLE orders ADD CHECK (note IS NOT NULL AND length(note) > 0);
-- then
ALTER TABLE orders ALTER COLUMN note SET NOT NULL

-- case: set not null beside a check that is not valid
-- expect: safe, back
ALTER TABLE orders ADD CONSTRAINT orders_note_nn CHECK (note IS NOT NULL) NOT VALID;
-- then
ALTER TABLE orders ALTER COLUMN note SET NOT NULL

-- case: set not null beside a check that implies it only for a person
-- expect: safe, back
ALTER TABLE orders ADD CHECK (qty > 0);
-- then
ALTER TABLE orders ALTER COLUMN qty SET NOT NULL

-- case: set not null on a partitioned table
-- expect: safe, back, unmeasured
CREATE TABLE events (at date NOT NULL, n int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO events SELECT '2025-02-02', i FROM generate_series(1, 100) i;
-- then
ALTER TABLE events ALTER n SET NOT NULL

-- case: set not null of a quoted column
-- expect: safe, back
CREATE SCHEMA "My App";
CREATE TABLE "My App"."T 1" ("C""c" int);
INSERT INTO "My App"."T 1" SELECT generate_series(1, 100);
-- then
ALTER TABLE IF EXISTS ONLY "My App"."T 1" ALTER "C""c" SET NOT NULL

-- case: drop not null
-- expect: written, back
-- then
ALTER TABLE orders ALTER amount DROP NOT NULL

-- case: drop not null where there is none
-- expect: written, nothing
-- then
ALTER TABLE orders ALTER note DROP NOT NULL

-- case: set default
-- expect: written, back
-- then
ALTER TABLE orders ALTER code SET DEFAULT 'y', ALTER note SET DEFAULT 'z', ALTER amount DROP DEFAULT, ALTER data DROP DEFAULT

-- case: add check
-- expect: safe, back
-- then
ALTER TABLE orders ADD CHECK (qty > 0)

-- case: add check on two columns
-- expect: safe, back
-- then
ALTER TABLE orders ADD CHECK (qty > 0 OR amount > 0) NO INHERIT

-- case: add check without columns, and of a name that is taken
-- expect: safe, back
ALTER TABLE orders ADD CONSTRAINT orders_qty_check CHECK (qty > -1);
-- then
ALTER TABLE orders ADD CHECK (1 < 2), ADD CHECK (orders.qty BETWEEN 0 AND 1000), ADD CHECK ((qty)::text <> 'note'), ADD CONSTRAINT "Check 1" CHECK (note <> '')

-- case: add check not valid
-- expect: written, back
-- then
ALTER TABLE orders ADD CONSTRAINT orders_qty CHECK (qty > 0) NOT VALID

-- case: add check on a partitioned table
-- expect: safe, back, unmeasured
CREATE TABLE events (at date NOT NULL, n int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
-- then
ALTER TABLE events ADD CHECK (n > 0)

-- case: replace a check
-- expect: safe, back
ALTER TABLE orders ADD CONSTRAINT orders_qty_check CHECK (qty IN (1, 2) OR qty > 2);
-- then
ALTER TABLE orders DROP CONSTRAINT orders_qty_check, ADD CONSTRAINT orders_qty_check CHECK (qty IN (1, 2, 3) OR qty > 3)

-- case: validate constraint
-- expect: written, nothing, unlike
-- that every row was checked is not taken back
ALTER TABLE orders ADD CONSTRAINT orders_qty CHECK (qty > 0) NOT VALID;
-- then
ALTER TABLE orders VALIDATE CONSTRAINT orders_qty

-- case: drop constraint
-- expect: written, back
ALTER TABLE orders ADD CONSTRAINT orders_qty CHECK (qty > 0) NOT VALID, ADD CONSTRAINT "Fk 1" FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, ADD CONSTRAINT u UNIQUE (id, note);
-- then
ALTER TABLE orders DROP CONSTRAINT orders_qty, DROP CONSTRAINT "Fk 1", DROP CONSTRAINT IF EXISTS u, DROP CONSTRAINT IF EXISTS no_such

-- case: drop primary key
-- expect: written, back
-- then
ALTER TABLE users DROP CONSTRAINT users_pkey

-- case: drop constraint cascade
-- expect: written, none, unmeasured
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users;
-- then
ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE

-- case: add foreign key
-- expect: safe, back
-- then
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users

-- case: add foreign key with everything
-- expect: safe, back
-- then
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES public.users (id) MATCH FULL ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED

-- case: add foreign key to itself, with its key
-- expect: safe, back
-- then
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES orders (id), ADD PRIMARY KEY (id)

-- case: add foreign key on two columns
-- expect: safe, back
ALTER TABLE orders ADD PRIMARY KEY (id, qty);
CREATE TABLE lines (order_id bigint, order_qty int);
INSERT INTO lines SELECT i, i FROM generate_series(1, 100) i;
-- then
ALTER TABLE lines ADD FOREIGN KEY (order_id, order_qty) REFERENCES orders

-- case: add foreign key on a partitioned table
-- expect: written, back, unmeasured, until-17
CREATE TABLE events (at date NOT NULL, user_id bigint) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
-- then
ALTER TABLE events ADD FOREIGN KEY (user_id) REFERENCES users

-- case: add unique
-- expect: safe, back
-- then
ALTER TABLE orders ADD UNIQUE (id, code)

-- case: add unique with everything
-- expect: safe, back, from-15
-- then
ALTER TABLE orders ADD CONSTRAINT "Uq 1" UNIQUE NULLS NOT DISTINCT (id, note) INCLUDE (qty, amount) WITH (fillfactor = 80) USING INDEX TABLESPACE pg_default DEFERRABLE INITIALLY DEFERRED

-- case: add two unique of one name
-- expect: safe, back
CREATE INDEX orders_id_key ON orders (at);
-- then
ALTER TABLE orders ADD UNIQUE (id), ADD UNIQUE (id) DEFERRABLE

-- case: add unique on a partitioned table
-- expect: written, back, unmeasured
CREATE TABLE events (at date NOT NULL, n int) PARTITION BY RANGE (at);
-- then
ALTER TABLE events ADD UNIQUE (at, n)

-- case: add primary key
-- expect: safe, back
-- then
ALTER TABLE orders ADD PRIMARY KEY (id)

-- case: add primary key on nullable columns
-- expect: safe, back
-- then
ALTER TABLE orders ADD CONSTRAINT pk_orders PRIMARY KEY (id, qty, note) INCLUDE (code)

-- case: add primary key using an index
-- expect: written, back, unmeasured
CREATE UNIQUE INDEX ix_orders_id ON orders (id);
-- then
ALTER TABLE orders ADD PRIMARY KEY USING INDEX ix_orders_id

-- case: add named primary key using an index on a nullable column
-- expect: safe, back, unmeasured
CREATE UNIQUE INDEX ix_orders_qty ON orders (qty);
-- then
ALTER TABLE orders ADD CONSTRAINT orders_pkey PRIMARY KEY USING INDEX ix_orders_qty

-- case: add unique using an index
-- expect: written, back, unmeasured
CREATE UNIQUE INDEX ix_orders_id ON orders (id) WITH (fillfactor = 60);
-- then
ALTER TABLE orders ADD CONSTRAINT u UNIQUE USING INDEX ix_orders_id DEFERRABLE

-- case: replace a primary key
-- expect: written, back
ALTER TABLE orders ADD PRIMARY KEY (id);
-- then
ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (id, amount)

-- case: add exclusion
-- expect: written, back
-- then
ALTER TABLE orders ADD EXCLUDE USING gist (int8range(id, id, '[]') WITH &&)

-- case: add column
-- expect: written, back
-- then
ALTER TABLE orders ADD COLUMN state text

-- case: add column that is there
-- expect: written, nothing, from-13
-- then
ALTER TABLE orders ADD COLUMN IF NOT EXISTS note int UNIQUE CHECK (note > 0)

-- case: add column with a constant
-- expect: written, back
-- then
ALTER TABLE orders ADD COLUMN state varchar(10) NOT NULL DEFAULT 'new'::varchar(10), ADD n numeric(4,1) DEFAULT 1.5::numeric(4,1), ADD seen timestamptz DEFAULT now(), ADD d jsonb DEFAULT '{"a": 1}'::jsonb

-- case: add column with a volatile default
-- expect: written, back, from-13
-- then
ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()

-- case: add serial column
-- expect: written, back
-- then
ALTER TABLE orders ADD COLUMN number bigserial

-- case: add identity column
-- expect: written, back
-- then
ALTER TABLE orders ADD COLUMN number bigint GENERATED BY DEFAULT AS IDENTITY

-- case: add stored column
-- expect: written, back
-- then
ALTER TABLE orders ADD COLUMN twice int GENERATED ALWAYS AS (qty * 2) STORED

-- case: add column with a check
-- expect: safe, back
-- then
ALTER TABLE orders ADD COLUMN state text DEFAULT 'a' CHECK (state IN ('a', 'b')) NOT NULL

-- case: add column with two checks
-- expect: safe, back
-- then
ALTER TABLE orders ADD COLUMN low int DEFAULT NULL CHECK (low > 0) CONSTRAINT low_high CHECK (low < qty) NO INHERIT

-- case: add column with unique
-- expect: safe, back
-- then
ALTER TABLE orders ADD COLUMN slug text COLLATE "C" UNIQUE WITH (fillfactor = 90) DEFERRABLE INITIALLY DEFERRED DEFAULT NULL, ADD UNIQUE (id)

-- case: add column with unique nulls
-- expect: safe, back, unmeasured, from-15
CREATE TABLE lines (id int);
-- then
ALTER TABLE lines ADD slug text CONSTRAINT one_null UNIQUE NULLS NOT DISTINCT, ADD other text UNIQUE NULLS DISTINCT

-- case: add column with a foreign key
-- expect: safe, back
-- then
ALTER TABLE orders ADD COLUMN owner bigint NOT NULL DEFAULT 1 CONSTRAINT orders_owner REFERENCES users (id) ON DELETE SET DEFAULT ON UPDATE SET NULL NOT DEFERRABLE

-- case: add column with a foreign key to its own table
-- expect: safe, back
ALTER TABLE orders ADD PRIMARY KEY (id);
-- then
ALTER TABLE orders ADD COLUMN IF NOT EXISTS parent bigint REFERENCES orders

-- case: add column with everything
-- expect: safe, back
-- then
ALTER TABLE orders ADD "Ref no" bigint CONSTRAINT c1 CHECK ("Ref no" > 0) CONSTRAINT c2 UNIQUE REFERENCES users ON DELETE CASCADE, ADD CHECK ("Ref no" > qty)

-- case: add key column
-- expect: safe, back
-- then
ALTER TABLE orders ADD COLUMN number bigserial PRIMARY KEY

-- case: add column with a foreign key on a partitioned table
-- expect: written, back, unmeasured, until-17
CREATE TABLE events (at date NOT NULL, n int) PARTITION BY RANGE (at);
-- then
ALTER TABLE events ADD COLUMN user_id bigint REFERENCES users

-- case: drop column
-- expect: written, none
-- then
ALTER TABLE orders DROP COLUMN note

-- case: drop column that is not there
-- expect: written, nothing
-- then
ALTER TABLE orders DROP COLUMN IF EXISTS no_such

-- case: type to text and back
-- expect: written, none
-- then
ALTER TABLE orders ALTER code TYPE text

-- case: type from unlimited varchar to text
-- expect: written, back
ALTER TABLE orders ADD COLUMN label varchar DEFAULT 'none' CHECK (label <> '');
CREATE INDEX ON orders (label);
-- then
ALTER TABLE orders ALTER COLUMN label SET DATA TYPE text USING label::text

-- case: type from text to varchar
-- expect: written, back
CREATE INDEX ON orders (note);
-- then
ALTER TABLE orders ALTER note TYPE varchar

-- case: longer varchar
-- expect: written, none
CREATE INDEX ON orders (code);
-- then
ALTER TABLE orders ALTER code TYPE varchar(40)

-- case: longer varchar in a partial index
-- expect: written, none
CREATE INDEX ON orders (id) WHERE code <> '';
-- then
ALTER TABLE orders ALTER code TYPE varchar(40)

-- case: longer varchar with a check
-- expect: written, none
ALTER TABLE orders ADD CHECK (code <> '');
-- then
ALTER TABLE orders ALTER code TYPE varchar(40)

-- case: shorter varchar
-- expect: written, none
-- then
ALTER TABLE orders ALTER code TYPE varchar(10)

-- case: int to bigint
-- expect: written, none
-- then
ALTER TABLE orders ALTER qty TYPE bigint

-- case: same type
-- expect: written, nothing
-- then
ALTER TABLE orders ALTER amount TYPE decimal(10, 2)

-- case: wider numeric
-- expect: written, none
-- then
ALTER TABLE orders ALTER amount TYPE numeric(12, 2)

-- case: timestamp to timestamptz at UTC
-- expect: written, back
CREATE INDEX ON orders (at);
-- then
ALTER TABLE orders ALTER at TYPE timestamptz

-- case: type with using
-- expect: written, none
-- then
ALTER TABLE orders ALTER note TYPE text USING upper(note)

-- case: type with another collation
-- expect: written, none
CREATE INDEX ON orders (note);
-- then
ALTER TABLE orders ALTER note TYPE text COLLATE "C"

-- case: drop identity
-- expect: written, none
ALTER TABLE orders ALTER id ADD GENERATED ALWAYS AS IDENTITY;
-- then
ALTER TABLE orders ALTER id DROP IDENTITY

-- case: add identity
-- expect: written, back
-- then
ALTER TABLE orders ALTER id ADD GENERATED BY DEFAULT AS IDENTITY

-- case: rename table
-- expect: written, back
-- then
ALTER TABLE public.orders RENAME TO "Orders"

-- case: rename column
-- expect: written, back
-- then
ALTER TABLE orders RENAME COLUMN note TO remark

-- case: rename constraint
-- expect: written, back
-- then
ALTER TABLE users RENAME CONSTRAINT users_pkey TO pk_users

-- case: set schema
-- expect: written, back, unmeasured
CREATE SCHEMA app;
-- then
ALTER TABLE orders SET SCHEMA app

-- case: owner
-- expect: written, back
CREATE ROLE clerk;
-- then
ALTER TABLE orders OWNER TO clerk

-- case: set unlogged
-- expect: written, back
-- then
ALTER TABLE orders SET UNLOGGED

-- case: set logged
-- expect: written, none, unmeasured
-- then
ALTER TABLE orders SET LOGGED

-- case: row level security
-- expect: written, none
-- then
ALTER TABLE orders ENABLE ROW LEVEL SECURITY

-- case: storage parameters
-- expect: written, none
-- then
ALTER TABLE orders SET (fillfactor = 70)

-- case: statistics target
-- expect: written, none
-- then
ALTER TABLE orders ALTER note SET STATISTICS 500

-- case: column storage
-- expect: written, none
-- then
ALTER TABLE orders ALTER note SET STORAGE EXTERNAL

-- case: replica identity
-- expect: written, none
-- then
ALTER TABLE orders REPLICA IDENTITY FULL

-- case: disable triggers
-- expect: written, none
-- then
ALTER TABLE orders DISABLE TRIGGER USER

-- case: attach partition
-- expect: written, back, unmeasured
CREATE TABLE events (at date NOT NULL, n int) PARTITION BY RANGE (at);
CREATE TABLE events_1 (LIKE events);
-- then
ALTER TABLE events ATTACH PARTITION events_1 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')

-- case: detach partition
-- expect: written, none
CREATE TABLE events (at date NOT NULL, n int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
-- then
ALTER TABLE events DETACH PARTITION events_1

-- case: inherit
-- expect: written, back
CREATE TABLE child (LIKE orders);
-- then
ALTER TABLE child INHERIT orders

-- case: create table
-- expect: written, back
-- then
CREATE TABLE lines (id bigserial PRIMARY KEY, order_id bigint REFERENCES users, n int CHECK (n > 0))

-- case: create table that is there
-- expect: written, nothing
-- then
CREATE TABLE IF NOT EXISTS orders (id int)

-- case: create table if not exists
-- expect: written, back
-- then
CREATE TABLE IF NOT EXISTS "Lines" (id int)

-- case: create table as
-- expect: written, back
-- then
CREATE TABLE copies AS SELECT * FROM orders

-- case: create partition
-- expect: written, back, unmeasured
CREATE TABLE events (at date NOT NULL, n int) PARTITION BY RANGE (at);
-- then
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')

-- case: drop table
-- expect: written, none, unmeasured
-- then
DROP TABLE orders

-- case: drop table that is not there
-- expect: written, nothing
-- then
DROP TABLE IF EXISTS no_such

-- case: truncate
-- expect: written, none, unmeasured
-- then
TRUNCATE orders

-- case: create view
-- expect: written, back
-- then
CREATE VIEW v AS SELECT id FROM orders

-- case: create materialized view
-- expect: written, back
-- then
CREATE MATERIALIZED VIEW mv AS SELECT id FROM orders

-- case: refresh materialized view
-- expect: written, nothing, unmeasured
CREATE MATERIALIZED VIEW mv AS SELECT id FROM orders;
-- then
REFRESH MATERIALIZED VIEW mv

-- case: create sequence
-- expect: written, back
-- then
CREATE SEQUENCE IF NOT EXISTS s

-- case: create sequence that is there
-- expect: written, nothing
CREATE SEQUENCE s;
-- then
CREATE SEQUENCE IF NOT EXISTS s

-- case: create enum
-- expect: written, back
-- then
CREATE TYPE public.mood AS ENUM ('sad', 'happy')

-- case: add enum value
-- expect: written, none
CREATE TYPE mood AS ENUM ('sad', 'happy');
-- then
ALTER TYPE mood ADD VALUE 'so so' AFTER 'sad'

-- case: rename enum value
-- expect: written, back
CREATE TYPE mood AS ENUM ('sad', 'happy');
-- then
ALTER TYPE mood RENAME VALUE 'sad' TO 'it''s sad'

-- case: create domain
-- expect: written, back
-- then
CREATE DOMAIN positive AS int CHECK (VALUE > 0)

-- case: add domain constraint
-- expect: written, back
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
-- then
ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 100)

-- case: create function
-- expect: written, back
-- then
CREATE FUNCTION public."Add it"(a int, OUT b text, VARIADIC c numeric(10,2)[] DEFAULT NULL) AS $$ SELECT 'x;y' $$ LANGUAGE sql

-- case: create or replace a new function
-- expect: written, back
-- then
CREATE OR REPLACE FUNCTION twice(n int) RETURNS int AS $$ SELECT n * 2 $$ LANGUAGE sql IMMUTABLE

-- case: replace function
-- expect: written, none
CREATE FUNCTION twice(n int) RETURNS int AS $$ SELECT n + n $$ LANGUAGE sql;
-- then
CREATE OR REPLACE FUNCTION twice(n int) RETURNS int AS $$ SELECT n * 2 $$ LANGUAGE sql

-- case: create procedure
-- expect: written, back
-- then
CREATE PROCEDURE p(IN a int, b text) AS $$ SELECT 1 $$ LANGUAGE sql

-- case: create trigger
-- expect: written, back
CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN RETURN NEW; END $$ LANGUAGE plpgsql;
-- then
CREATE TRIGGER "T 1" BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f()

-- case: create policy
-- expect: written, back
-- then
CREATE POLICY own ON orders USING (user_id = 1)

-- case: create schema
-- expect: written, back
-- then
CREATE SCHEMA IF NOT EXISTS "App"

-- case: create schema that is there
-- expect: written, nothing
-- then
CREATE SCHEMA IF NOT EXISTS public

-- case: create extension
-- expect: written, back
-- then
CREATE EXTENSION IF NOT EXISTS citext

-- case: create statistics
-- expect: written, back
-- then
CREATE STATISTICS st ON note, code FROM orders

-- case: comment
-- expect: written, none
-- then
COMMENT ON TABLE orders IS 'x'

-- case: grant
-- expect: written, none
-- then
GRANT SELECT ON orders TO PUBLIC

-- case: insert
-- expect: written, none
-- then
INSERT INTO users VALUES (1000, 'a', 'b')

-- case: update
-- expect: written, none
-- then
UPDATE orders SET qty = 1

-- case: delete
-- expect: written, none
-- then
DELETE FROM orders

-- case: select
-- expect: written, nothing
-- then
SELECT count(*), max(upper(note)) FROM orders

-- case: select of a function that may write
-- expect: written, none
CREATE FUNCTION f() RETURNS int AS $$ SELECT 1 $$ LANGUAGE sql;
-- then
SELECT f()

-- case: analyze
-- expect: written, nothing, unmeasured
-- then
ANALYZE orders

-- case: vacuum full
-- expect: written, nothing, unmeasured
-- then
VACUUM FULL orders

-- case: do
-- expect: written, none
-- then
DO $$ BEGIN PERFORM 1; END $$

-- case: drop and add a column of one name
-- expect: written, none
-- then
ALTER TABLE orders DROP COLUMN note, ADD COLUMN note int

-- case: add foreign key to a partitioned table
-- expect: safe, back
CREATE TABLE events (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (1000);
INSERT INTO events SELECT i FROM generate_series(1, 200) i;
-- then
ALTER TABLE orders ADD CONSTRAINT o FOREIGN KEY (user_id) REFERENCES events

-- case: add foreign key not valid
-- expect: written, back
-- then
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID

-- case: validate foreign key
-- expect: written, nothing, unlike
-- that every row was checked is not taken back
ALTER TABLE orders ADD CONSTRAINT o FOREIGN KEY (user_id) REFERENCES users NOT VALID;
-- then
ALTER TABLE orders VALIDATE CONSTRAINT o

-- case: drop foreign key
-- expect: written, back
ALTER TABLE orders ADD CONSTRAINT o FOREIGN KEY (user_id) REFERENCES users;
-- then
ALTER TABLE orders DROP CONSTRAINT o

-- case: drop column with a foreign key
-- expect: written, none
ALTER TABLE orders ADD CONSTRAINT o FOREIGN KEY (user_id) REFERENCES users;
-- then
ALTER TABLE orders DROP COLUMN user_id

-- case: add primary key beside a check that proves it
-- expect: safe, back
ALTER TABLE orders ADD CONSTRAINT qty_there CHECK (qty IS NOT NULL);
-- then
ALTER TABLE orders ADD PRIMARY KEY (qty)

-- case: set not null and a primary key on it
-- expect: safe, back
-- then
ALTER TABLE orders ADD PRIMARY KEY (qty), ALTER qty SET NOT NULL

-- case: a check and its column, in the other order
-- expect: safe, back
-- then
ALTER TABLE orders ADD CHECK (state > 0), ADD COLUMN state int DEFAULT 1

-- case: cluster on an index that the statement adds
-- expect: safe, none
-- then
ALTER TABLE orders ADD CONSTRAINT pk PRIMARY KEY (id), CLUSTER ON pk

-- case: check with comments and texts in it
-- expect: safe, back
-- then
ALTER TABLE orders /* a, b */ ADD CONSTRAINT c CHECK (note <> 'NOT VALID, or' -- not this, nor that
    AND qty > 0 /* ) */), ADD COLUMN e text DEFAULT E'a\'b, (' CHECK (e <> $x$)$x$)

-- case: add column with a domain
-- expect: written, back, unmeasured
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
-- then
ALTER TABLE orders ADD COLUMN n positive DEFAULT 1

-- case: unique on an expression index name
-- expect: safe, back
-- then
CREATE UNIQUE INDEX ON orders ((id + 0), (id + 1))

-- case: index with a case, a cast of a cast, and a subscript
-- expect: safe, back, from-14
-- then
CREATE INDEX ON orders ((CASE WHEN qty > 0 THEN 1 ELSE 2 END), ((qty::numeric)::text), ((data -> 'a')), (note IS NULL), (upper(trim(note))), trim(note), (extract(year FROM at)), (at::date))

-- case: drop index of a partition
-- expect: safe, back, unmeasured
CREATE TABLE events (at date NOT NULL, n int) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE INDEX ix_n ON events_1 (n);
-- then
DROP INDEX ix_n

-- case: set unlogged with others
-- expect: safe, back
-- then
ALTER TABLE orders SET UNLOGGED, ALTER note SET NOT NULL

-- case: enable a trigger
-- expect: written, none
-- then
ALTER TABLE orders ENABLE TRIGGER ALL

-- case: replace view
-- expect: written, none, unmeasured
CREATE VIEW v AS SELECT id FROM orders;
-- then
CREATE OR REPLACE VIEW v AS SELECT id, note FROM orders

-- case: create or replace a new view
-- expect: written, back, unmeasured
-- then
CREATE OR REPLACE VIEW v AS SELECT id, note FROM orders

-- case: select into
-- expect: written, back
-- then
SELECT id INTO copies FROM orders

-- case: no inherit
-- expect: written, back, unlike
-- columns that came from the parent stay the child's own
CREATE TABLE child () INHERITS (orders);
-- then
ALTER TABLE child NO INHERIT orders

-- case: cluster
-- expect: written, nothing
ALTER TABLE users CLUSTER ON users_pkey;
-- then
CLUSTER users

-- case: text to citext
-- expect: written, back
CREATE EXTENSION citext;
CREATE INDEX ON orders (note);
-- then
ALTER TABLE orders ALTER note TYPE citext

-- case: longer varchar of a foreign key
-- expect: written, none
CREATE TABLE codes (code varchar(40) PRIMARY KEY);
INSERT INTO codes SELECT code FROM orders;
ALTER TABLE orders ADD FOREIGN KEY (code) REFERENCES codes;
-- then
ALTER TABLE orders ALTER code TYPE varchar(40)

-- case: type of a column that is the target of a foreign key
-- expect: written, none, unmeasured
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users;
-- then
ALTER TABLE users ALTER id TYPE int

-- case: set a parameter by a query
-- expect: written, nothing
-- then
SELECT pg_catalog.set_config('search_path', '', false)

-- case: table of another schema without a name
-- expect: safe, back
CREATE SCHEMA app;
CREATE TABLE app.lines (id int, n int);
INSERT INTO app.lines SELECT i, i FROM generate_series(1, 100) i;
-- then
ALTER TABLE app.lines ADD UNIQUE (n), ADD CHECK (n > 0), ADD PRIMARY KEY (id), ALTER n SET NOT NULL

-- case: index in a schema of the search path
-- expect: safe, back
CREATE SCHEMA app;
CREATE TABLE app.lines (id int, n int);
INSERT INTO app.lines SELECT i, i FROM generate_series(1, 100) i;
CREATE TABLE lines_n_idx (a int);
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, app', current_database()); END $$;
-- then
CREATE INDEX ON lines (n)
