-- What the statements of the oracle are about. Small, filled, and analysed; every statement runs against it as it is here.
CREATE EXTENSION IF NOT EXISTS citext;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN plain_text AS text;
CREATE DOMAIN short_text AS text CHECK (length(VALUE) < 100);
CREATE DOMAIN positive AS int;
CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION steady() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 7; END';
CREATE FUNCTION restless() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 7; END';
CREATE ROLE oracle_reader;
CREATE TABLE parent (id int PRIMARY KEY, v int);
INSERT INTO parent SELECT n, n FROM generate_series(1, 500) n;
CREATE TABLE t (
    id int PRIMARY KEY,
    a int NOT NULL DEFAULT 1,
    b int,
    c text,
    s varchar(20),
    n numeric(10,2),
    ts timestamp,
    tz timestamptz,
    feeling mood,
    indexed text,
    checked int,
    filled int,
    parent_id int,
    nv_parent int,
    CONSTRAINT t_checked CHECK (checked IS NOT NULL),
    CONSTRAINT t_nn_is CHECK (filled IS NOT NULL)
);
INSERT INTO t SELECT n, n, n, 'c' || n, 's' || n, n, now(), now(), 'glad', 'i' || n, n, n, 1 + n % 500, 1 + n % 500
    FROM generate_series(1, 2000) n;
CREATE INDEX t_indexed ON t (indexed);
CREATE UNIQUE INDEX t_b_unique ON t (b);
CREATE INDEX t_a ON t (a);
ALTER TABLE t ADD CONSTRAINT t_nv CHECK (a > 0) NOT VALID;
ALTER TABLE t ADD CONSTRAINT t_fk FOREIGN KEY (parent_id) REFERENCES parent;
ALTER TABLE t ADD CONSTRAINT t_fk_nv FOREIGN KEY (nv_parent) REFERENCES parent NOT VALID;
CREATE TRIGGER t_noop BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noop();
-- Without a primary key.
CREATE TABLE k (id int NOT NULL, other int);
INSERT INTO k SELECT n, n FROM generate_series(1, 2000) n;
CREATE UNIQUE INDEX k_id ON k (id);
CREATE UNIQUE INDEX k_other ON k (other);
CREATE TABLE d (v positive);
INSERT INTO d SELECT n FROM generate_series(1, 2000) n;
CREATE TABLE p (id int NOT NULL, v int) PARTITION BY RANGE (id);
CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (1000);
INSERT INTO p SELECT n, n FROM generate_series(0, 999) n;
CREATE TABLE free (id int NOT NULL, v int);
INSERT INTO free SELECT n, n FROM generate_series(1000, 1999) n;
CREATE TABLE fitting (id int NOT NULL, v int, CONSTRAINT fits CHECK (id >= 2000 AND id < 3000));
INSERT INTO fitting SELECT n, n FROM generate_series(2000, 2999) n;
CREATE TABLE misfit (id int NOT NULL, v int, CONSTRAINT other CHECK (v >= 0));
INSERT INTO misfit SELECT n, n FROM generate_series(3000, 3999) n;
CREATE TABLE nullable (id int, v int, CONSTRAINT fits_or_null CHECK (id >= 4000 AND id < 5000));
INSERT INTO nullable SELECT n, n FROM generate_series(4000, 4999) n;
CREATE TABLE q (id int, v int) PARTITION BY RANGE (id);
CREATE MATERIALIZED VIEW mv AS SELECT id, v FROM parent;
CREATE UNIQUE INDEX mv_id ON mv (id);
CREATE VIEW seen AS SELECT id FROM k;
ANALYZE;
