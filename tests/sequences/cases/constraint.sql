-- case: add a check
-- change:
ALTER TABLE users ADD CONSTRAINT grown CHECK (age > 0);

-- case: add a check without a name
-- change:
ALTER TABLE users ADD CHECK (age > 0);

-- case: add a check without a name over two columns
-- change:
ALTER TABLE orders ADD CHECK (total > 0 OR code > 0);

-- case: add a check whose name is taken
-- before:
ALTER TABLE users ADD CONSTRAINT users_age_check CHECK (age > 1);
-- change:
ALTER TABLE users ADD CHECK (age > 0);

-- case: add a check not valid
-- change:
ALTER TABLE users ADD CONSTRAINT grown CHECK (age > 0) NOT VALID;

-- case: add a check with no inherit
-- change:
ALTER TABLE users ADD CONSTRAINT grown CHECK (age > 0) NO INHERIT;

-- case: add a check to a partitioned table
-- change:
ALTER TABLE events ADD CONSTRAINT numbered CHECK (id > 0);

-- case: validate a check
-- before:
ALTER TABLE users ADD CONSTRAINT grown CHECK (age > 0) NOT VALID;
-- way back: stays
-- change:
ALTER TABLE users VALIDATE CONSTRAINT grown;

-- case: add a foreign key
-- change:
ALTER TABLE orders ADD CONSTRAINT by_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;

-- case: add a foreign key without a name
-- change:
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users;

-- case: add a foreign key whose name is taken
-- before:
ALTER TABLE orders ADD CONSTRAINT orders_user_id_fkey CHECK (user_id > 0);
-- change:
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users;

-- case: add a deferrable foreign key
-- change:
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users DEFERRABLE INITIALLY DEFERRED;

-- case: add a foreign key to itself
-- change:
ALTER TABLE orders ADD CONSTRAINT before FOREIGN KEY (code) REFERENCES orders (id);

-- case: add a unique constraint
-- change:
ALTER TABLE users ADD CONSTRAINT users_email UNIQUE (email);

-- case: add a unique constraint without a name
-- change:
ALTER TABLE users ADD UNIQUE (email, id);

-- case: add a unique constraint that includes a column
-- change:
ALTER TABLE users ADD UNIQUE (email) INCLUDE (name);

-- case: add a unique constraint without a name that is taken
-- before:
CREATE SEQUENCE users_email_key;
-- change:
ALTER TABLE users ADD UNIQUE (email);

-- case: add a unique constraint with a storage parameter
-- change:
ALTER TABLE users ADD UNIQUE (email) WITH (fillfactor = 70);

-- case: add a unique constraint using an index
-- before:
CREATE UNIQUE INDEX by_email ON users (email);
-- way back: any
-- change:
ALTER TABLE users ADD CONSTRAINT by_email UNIQUE USING INDEX by_email;

-- case: add a unique constraint to a partitioned table
-- change:
ALTER TABLE events ADD UNIQUE (id, at);

-- case: add a primary key
-- change:
ALTER TABLE sales.lines ADD PRIMARY KEY (order_id, item);

-- case: add a primary key over a column that takes null
-- change:
ALTER TABLE events_2027 ADD CONSTRAINT events_key PRIMARY KEY (id);

-- case: add a primary key to a table with an odd name
-- change:
ALTER TABLE "Odd ""Name" ADD PRIMARY KEY ("Column 1");

-- case: add a constraint that excludes
-- change:
ALTER TABLE users ADD CONSTRAINT one_age EXCLUDE USING btree (id WITH =);

-- case: drop a check
-- change:
ALTER TABLE orders DROP CONSTRAINT total_check;

-- case: drop a foreign key
-- change:
ALTER TABLE sales.lines DROP CONSTRAINT lines_order_id_fkey;

-- case: drop a foreign key and add it otherwise
-- change:
ALTER TABLE sales.lines DROP CONSTRAINT lines_order_id_fkey,
    ADD CONSTRAINT lines_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE;

-- case: drop a check and add it otherwise
-- change:
ALTER TABLE orders DROP CONSTRAINT total_check, ADD CONSTRAINT total_check CHECK (total > 0);

-- case: drop a primary key
-- change:
ALTER TABLE users DROP CONSTRAINT users_pkey;

-- case: drop a constraint that is not there
-- change:
ALTER TABLE orders DROP CONSTRAINT IF EXISTS nothing;

-- case: rename a constraint
-- change:
ALTER TABLE orders RENAME CONSTRAINT total_check TO no_debts;

-- case: a column, a check, a foreign key and a default in one
-- change:
ALTER TABLE orders
    ADD COLUMN region text,
    ADD CONSTRAINT known CHECK (region <> ''),
    ADD FOREIGN KEY (user_id) REFERENCES users,
    ALTER COLUMN state SET DEFAULT 'open',
    ALTER COLUMN code SET NOT NULL;

-- case: a unique constraint on a new column
-- change:
ALTER TABLE orders ADD COLUMN external int, ADD CONSTRAINT one_external UNIQUE (external, id);

-- case: a check in a domain
-- change:
ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 1000000);
