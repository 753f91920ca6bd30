-- case: add a column
-- change:
ALTER TABLE users ADD COLUMN phone text;

-- case: add a column that is there already
-- change:
ALTER TABLE users ADD COLUMN IF NOT EXISTS name text;

-- case: add a column that is not there yet, if not exists
-- change:
ALTER TABLE users ADD COLUMN IF NOT EXISTS phone text;

-- case: add a column with a constant default
-- change:
ALTER TABLE users ADD COLUMN active boolean DEFAULT true;

-- case: add a column that is not null with a default
-- change:
ALTER TABLE users ADD COLUMN score int NOT NULL DEFAULT 0;

-- case: add a column with a volatile default
-- change:
ALTER TABLE orders ADD COLUMN seen timestamptz DEFAULT '2026-01-01 00:00:00+00'::timestamptz;

-- case: add a column with a check
-- change:
ALTER TABLE users ADD COLUMN score int CHECK (score > 0);

-- case: add a column with a named check and a default
-- change:
ALTER TABLE users ADD COLUMN score int DEFAULT 5 CONSTRAINT score_positive CHECK (score > 0) NOT NULL;

-- case: add a column with a foreign key
-- change:
ALTER TABLE orders ADD COLUMN referrer bigint REFERENCES users;

-- case: add a column with a named foreign key
-- change:
ALTER TABLE orders ADD COLUMN referrer bigint CONSTRAINT referred_by REFERENCES users (id) ON DELETE SET NULL;

-- case: add a column that is unique
-- change:
ALTER TABLE users ADD COLUMN handle text UNIQUE;

-- case: add a column that is unique, where its index's name is taken
-- before:
CREATE INDEX users_handle_key ON users (name);
-- change:
ALTER TABLE users ADD COLUMN handle text UNIQUE;

-- case: add a column that is the primary key
-- change:
ALTER TABLE events_2027 ADD COLUMN key bigint PRIMARY KEY;

-- case: add a stored generated column
-- change:
ALTER TABLE users ADD COLUMN shout text GENERATED ALWAYS AS (upper(name)) STORED;

-- case: add an identity column
-- change:
ALTER TABLE events_2027 ADD COLUMN key bigint GENERATED ALWAYS AS IDENTITY;

-- case: add a serial column
-- change:
ALTER TABLE events_2027 ADD COLUMN key bigserial;

-- case: add a column of a domain
-- change:
ALTER TABLE users ADD COLUMN rank positive;

-- case: add a column of an enum
-- change:
ALTER TABLE users ADD COLUMN feels mood DEFAULT 'low';

-- case: add several columns
-- change:
ALTER TABLE users ADD COLUMN a int, ADD b text DEFAULT 'x', ADD COLUMN c date NOT NULL DEFAULT '2026-01-01';

-- case: add a column to a partitioned table
-- change:
ALTER TABLE events ADD COLUMN source text;

-- case: add a column to a table with an odd name
-- change:
ALTER TABLE "Odd ""Name" ADD COLUMN "another ; column" int DEFAULT 1;

-- case: add a column in a schema
-- change:
ALTER TABLE sales.lines ADD COLUMN discount numeric;

-- case: drop a column
-- way back: none
-- change:
ALTER TABLE users DROP COLUMN age CASCADE;

-- case: drop a column that is not there
-- change:
ALTER TABLE users DROP COLUMN IF EXISTS phone;

-- case: rename a column
-- change:
ALTER TABLE users RENAME COLUMN plan TO tariff;

-- case: rename a column with an odd name
-- change:
ALTER TABLE "Odd ""Name" RENAME "Column 1" TO "Column "" 2";

-- case: set not null
-- change:
ALTER TABLE users ALTER COLUMN name SET NOT NULL;

-- case: set not null where it is so already
-- change:
ALTER TABLE users ALTER COLUMN email SET NOT NULL;

-- case: set not null of two columns
-- change:
ALTER TABLE users ALTER COLUMN name SET NOT NULL, ALTER age SET NOT NULL;

-- case: set not null where a valid check says so
-- before:
ALTER TABLE users ADD CONSTRAINT named CHECK (name IS NOT NULL);
-- change:
ALTER TABLE users ALTER COLUMN name SET NOT NULL;

-- case: set not null of a partitioned table
-- change:
ALTER TABLE events ALTER COLUMN what SET NOT NULL;

-- case: set not null of a column in a schema
-- change:
ALTER TABLE sales.lines ALTER COLUMN price SET NOT NULL;

-- case: set not null of a column with an odd name
-- change:
ALTER TABLE "Odd ""Name" ALTER "Column 1" SET NOT NULL;

-- case: drop not null
-- change:
ALTER TABLE users ALTER COLUMN email DROP NOT NULL;

-- case: set a default
-- change:
ALTER TABLE users ALTER COLUMN name SET DEFAULT 'nobody';

-- case: set another default
-- change:
ALTER TABLE users ALTER COLUMN plan SET DEFAULT 'paid';

-- case: drop a default
-- change:
ALTER TABLE users ALTER COLUMN plan DROP DEFAULT;

-- case: drop a default that is not there
-- change:
ALTER TABLE users ALTER COLUMN name DROP DEFAULT;

-- case: make a varchar longer
-- way back: any
-- change:
ALTER TABLE orders ALTER COLUMN note TYPE varchar(100);

-- case: make a varchar a text
-- way back: any
-- change:
ALTER TABLE users ALTER COLUMN plan TYPE text;

-- case: make an int a bigint
-- way back: any
-- change:
ALTER TABLE orders ALTER COLUMN code TYPE bigint;

-- case: give a numeric more digits
-- before:
DROP MATERIALIZED VIEW totals;
-- way back: any
-- change:
ALTER TABLE orders ALTER COLUMN total TYPE numeric(12, 2);

-- case: change a type with an expression
-- way back: none
-- change:
ALTER TABLE orders ALTER COLUMN code TYPE text USING 'code ' || code;

-- case: add identity
-- before:
ALTER TABLE sales.lines ADD COLUMN key int NOT NULL DEFAULT 1;
ALTER TABLE sales.lines ALTER key DROP DEFAULT;
-- change:
ALTER TABLE sales.lines ALTER COLUMN key ADD GENERATED BY DEFAULT AS IDENTITY;

-- case: set statistics
-- way back: any
-- change:
ALTER TABLE users ALTER COLUMN name SET STATISTICS 500;
