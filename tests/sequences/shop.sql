-- What every case starts from.
CREATE SCHEMA sales;
CREATE TYPE mood AS ENUM ('low', 'high');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE SEQUENCE numbers START 100;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;

CREATE TABLE users (
    id bigint PRIMARY KEY,
    name text,
    email text NOT NULL,
    age int,
    plan varchar(20) DEFAULT 'free',
    made timestamp
);
INSERT INTO users SELECT n, 'name ' || n, n || '@example.org', 20 + n % 50, 'free', '2026-01-01' FROM generate_series(1, 300) n;

CREATE TABLE orders (
    id int PRIMARY KEY,
    user_id bigint,
    total numeric(10, 2),
    state text DEFAULT 'new',
    note varchar(50),
    code int,
    CONSTRAINT total_check CHECK (total >= 0)
);
CREATE INDEX orders_state_idx ON orders (state);
CREATE UNIQUE INDEX orders_code_key ON orders (code);
INSERT INTO orders SELECT n, 1 + n % 300, n, 'new', NULL, n FROM generate_series(1, 300) n;

CREATE TABLE sales.lines (order_id int NOT NULL REFERENCES orders (id), item int NOT NULL, price numeric);
INSERT INTO sales.lines SELECT n, 1, n FROM generate_series(1, 100) n;

CREATE TABLE events (id bigint, at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE events_2027 (id bigint, at date NOT NULL, what text);
INSERT INTO events SELECT n, '2025-06-01'::date + n, 'x' FROM generate_series(1, 300) n;

CREATE VIEW adults AS SELECT id, name FROM users WHERE age > 17;
CREATE MATERIALIZED VIEW totals AS SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id;
CREATE UNIQUE INDEX totals_user ON totals (user_id);
CREATE TABLE "Odd ""Name" ("Column 1" int, "select" text);
INSERT INTO "Odd ""Name" VALUES (1, 'a'), (2, 'b');
