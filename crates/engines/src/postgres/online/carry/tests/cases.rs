//! Kinds of changes: the swapped table against the altered one, and the way back.

use tokio_postgres::Client;

use super::support::{assert_same, change, client, database, described, dump, major, run, server, text};
use super::way::{compare, prepare, swap};

struct Case {
    name: &'static str,
    /// Makes `app.t` and what belongs to it.
    setup: &'static str,
    clauses: &'static str,
}

const fn case(name: &'static str, setup: &'static str, clauses: &'static str) -> Case {
    Case { name, setup, clauses }
}

const KEYS: &[Case] = &[
    case(
        "serial key becomes bigint",
        "CREATE TABLE app.t (id serial PRIMARY KEY, a text);
         CREATE TABLE app.c (t int REFERENCES app.t ON DELETE CASCADE); INSERT INTO app.t (a) SELECT n FROM generate_series(1, 50) n;
         INSERT INTO app.c SELECT 7;",
        "ALTER COLUMN id TYPE bigint",
    ),
    case(
        "identity key becomes bigint",
        "CREATE TABLE app.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text); INSERT INTO app.t (a) SELECT n FROM generate_series(1, 50) n;
         ALTER TABLE app.t ALTER id SET MAXVALUE 1000000",
        "ALTER COLUMN id TYPE bigint",
    ),
    case(
        "self reference",
        "CREATE TABLE app.t (id int PRIMARY KEY, up int CONSTRAINT climbs REFERENCES app.t ON DELETE SET NULL); INSERT INTO app.t VALUES (1, NULL), (2, 1), (3, 3);
         COMMENT ON CONSTRAINT climbs ON app.t IS 'up'",
        "ALTER COLUMN id TYPE bigint, ALTER COLUMN up TYPE bigint",
    ),
    case(
        "composite key",
        "CREATE TABLE app.t (a text COLLATE \"C\", b int, c date, v numeric, PRIMARY KEY (b, a, c)); INSERT INTO app.t SELECT 'x' || n, n % 5, '2024-01-01', 1.50 FROM generate_series(1, 40) n",
        "ALTER v TYPE numeric(20, 4), ALTER b TYPE bigint",
    ),
    case(
        "uuid key",
        "CREATE TABLE app.t (id uuid PRIMARY KEY, a int); INSERT INTO app.t SELECT md5(n::text)::uuid, n FROM generate_series(1, 40) n",
        "ALTER a TYPE bigint",
    ),
    case(
        "primary key moves to another column",
        "CREATE TABLE app.t (id int PRIMARY KEY, code text NOT NULL UNIQUE, a int); INSERT INTO app.t SELECT n, 'c' || n, n FROM generate_series(1, 40) n",
        "DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (code), ALTER a TYPE bigint",
    ),
    case(
        "primary key on an index that is there",
        "CREATE TABLE app.t (id int NOT NULL, a int); CREATE UNIQUE INDEX named ON app.t (id); INSERT INTO app.t SELECT n, n FROM generate_series(1, 40) n",
        "ADD CONSTRAINT renamed PRIMARY KEY USING INDEX named",
    ),
    case(
        "odd names",
        "CREATE TABLE app.\"T x\" (\"a\"\"b\" int PRIMARY KEY, \"sel ect\" text DEFAULT 'x', \"Ä\" int); CREATE INDEX \"I \"\"x\" ON app.\"T x\" (\"Ä\");
         INSERT INTO app.\"T x\" SELECT n, 'v''' || n, n FROM generate_series(1, 9) n; CREATE VIEW app.\"V v\" AS SELECT \"Ä\" FROM app.\"T x\"",
        "ALTER \"a\"\"b\" TYPE bigint",
    ),
    case(
        "a new identity key beside the old key",
        "CREATE TABLE app.t (code text PRIMARY KEY, a int); INSERT INTO app.t SELECT 'c' || n, n FROM generate_series(1, 40) n",
        "ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY UNIQUE",
    ),
];

const TYPES: &[Case] = &[
    case(
        "text becomes varchar",
        "CREATE TABLE app.t (id int PRIMARY KEY, a text CHECK (a <> ''), b int); CREATE INDEX t_a ON app.t (lower(a)) WHERE a > 'b'; INSERT INTO app.t SELECT n, 'x' || n, n FROM generate_series(1, 40) n",
        "ALTER a TYPE varchar(50)",
    ),
    case(
        "varchar becomes text",
        "CREATE TABLE app.t (id int PRIMARY KEY, a varchar(10) DEFAULT 'q' CHECK (a <> ''), b int); CREATE INDEX t_a ON app.t (lower(a), a varchar_pattern_ops); COMMENT ON INDEX app.t_a IS 'x';
         CREATE STATISTICS app.s ON a, b FROM app.t; INSERT INTO app.t SELECT n, 'x' || n, n FROM generate_series(1, 40) n",
        "ALTER a TYPE text",
    ),
    case(
        "another collation",
        "CREATE TABLE app.t (id int PRIMARY KEY, a text, b text); CREATE INDEX t_a ON app.t (a); INSERT INTO app.t SELECT n, 'x' || n FROM generate_series(1, 40) n",
        "ALTER a TYPE text COLLATE \"POSIX\"",
    ),
    case(
        "more digits",
        "CREATE TABLE app.t (id int PRIMARY KEY, a numeric(10, 2), b int); INSERT INTO app.t SELECT n, n / 3.0 FROM generate_series(1, 40) n",
        "ALTER a TYPE numeric(12, 4)",
    ),
    case(
        "fewer digits",
        "CREATE TABLE app.t (id int PRIMARY KEY, a numeric, t timestamptz(6)); INSERT INTO app.t SELECT n, n / 3.0, '2024-01-01 10:00:00.6' FROM generate_series(1, 40) n",
        "ALTER a TYPE numeric(12, 1), ALTER t TYPE timestamptz(0)",
    ),
    case(
        "a number becomes a time by an expression",
        "CREATE TABLE app.t (id int PRIMARY KEY, at bigint NOT NULL DEFAULT 0, b text); INSERT INTO app.t SELECT n, n * 1000 FROM generate_series(1, 40) n",
        "ALTER at DROP DEFAULT, ALTER COLUMN at SET DATA TYPE timestamptz USING to_timestamp(at + length('a,b')), ALTER b TYPE varchar(4) USING (id || coalesce(b, ''))",
    ),
    case(
        "text becomes an enum",
        "CREATE TYPE app.mood AS ENUM ('sad', 'glad'); CREATE TABLE app.t (id int PRIMARY KEY, a text); INSERT INTO app.t SELECT n, 'glad' FROM generate_series(1, 40) n",
        "ALTER a TYPE app.mood USING a::app.mood, ALTER a SET DEFAULT 'sad'",
    ),
    case(
        "json becomes jsonb",
        "CREATE TABLE app.t (id int PRIMARY KEY, a json); INSERT INTO app.t SELECT n, '{\"a\": 1.0,  \"b\":[null]}' FROM generate_series(1, 40) n",
        "ALTER a TYPE jsonb",
    ),
    case(
        "arrays",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int[] DEFAULT '{1}', b text[][]); INSERT INTO app.t VALUES (1, '[0:1]={1,2}', '{{a,NULL},{b,c}}'), (2, '{}', NULL)",
        "ALTER a TYPE bigint[]",
    ),
    case(
        "every kind of hash",
        "CREATE TYPE app.pair AS (a int, b text); CREATE TYPE app.e AS ENUM ('x', 'y'); CREATE DOMAIN app.d AS numeric CHECK (VALUE > 0); CREATE DOMAIN app.dd AS app.d;
         CREATE COLLATION app.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TABLE app.t (id bigint PRIMARY KEY, i2 smallint, o oid, c \"char\", n name, u uuid, ts timestamp, tz timestamptz, tm time, ttz timetz, ip inet, cd cidr, m macaddr, m8 macaddr8,
            bo boolean, te text, vc varchar(9), bp char(8), bp0 bpchar, by bytea, da date, nu numeric, f4 real, f8 double precision, iv interval, js json, jb jsonb, x xml, po point, bi bit(3), vb varbit,
            mo money, ts2 tsvector, r int4range, e app.e, p app.pair, d app.d, dd app.dd, ae app.e[], lo text COLLATE app.loose, path path, lsn pg_lsn, v2 int2);
         INSERT INTO app.t VALUES (-9223372036854775808, 1, 2, 'c', 'n', md5('x')::uuid, 'infinity', '2024-03-31 01:30+01', '24:00', '10:00+05', '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
            true, 'te', 'vc ', 'bp', 'bp  ', '\\x00ff', '5874897-12-31', 1.00, '-0', 'NaN', '1 day', '{ \"a\":1}', '{\"a\": 1.0}', '<a/>', '(1,2)', B'101', B'1', 12.3, 'a:1 b', '[1,4)', 'x', '(1,x)', 1.50, 2.0, '{x,y}', 'ÄB', '((0,0),(1,1))', '0/16B3740'); INSERT INTO app.t (id) VALUES (9223372036854775807);",
        "ALTER v2 TYPE int",
    ),
    case(
        "times",
        "SET timezone = 'Europe/Berlin'; CREATE TABLE app.t (id int PRIMARY KEY, a timestamptz, b date, i interval); INSERT INTO app.t SELECT n, '2024-01-01'::timestamptz + n * interval '1 day', '2024-01-01', '1 day 25:00' FROM generate_series(1, 40) n",
        "ALTER a TYPE timestamp, ALTER b TYPE timestamp",
    ),
    case(
        "a domain",
        "CREATE DOMAIN app.pos AS int CHECK (VALUE > 0); CREATE TABLE app.t (id int PRIMARY KEY, a int); INSERT INTO app.t SELECT n, n FROM generate_series(1, 40) n",
        "ALTER a TYPE app.pos",
    ),
];

const COLUMNS: &[Case] = &[
    case(
        "a column with a volatile default",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int); INSERT INTO app.t SELECT n, n FROM generate_series(1, 40) n",
        "ADD COLUMN token text NOT NULL DEFAULT md5(random()::text)",
    ),
    case(
        "a column with a constant default",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int); INSERT INTO app.t SELECT n, n FROM generate_series(1, 40) n",
        "ADD COLUMN x text NOT NULL DEFAULT 'it''s, \\ ', ADD COLUMN y int, ALTER a TYPE bigint",
    ),
    case(
        "a column that older rows know by its default only",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int); INSERT INTO app.t SELECT n, n FROM generate_series(1, 40) n; ALTER TABLE app.t ADD b int DEFAULT 5, ADD c text DEFAULT 'x'; ALTER TABLE app.t ALTER b DROP DEFAULT",
        "ALTER a TYPE bigint",
    ),
    case(
        "a dropped column",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int DEFAULT 3, b text); CREATE INDEX t_a ON app.t (a); CREATE INDEX t_ab ON app.t (b, a); COMMENT ON COLUMN app.t.a IS 'x'; GRANT SELECT (a) ON app.t TO reader;
         CREATE STATISTICS app.s ON a, b FROM app.t; INSERT INTO app.t SELECT n, n FROM generate_series(1, 40) n",
        "DROP COLUMN a",
    ),
    case(
        "a dropped serial column",
        "CREATE TABLE app.t (id int PRIMARY KEY, a serial, b text); INSERT INTO app.t SELECT n FROM generate_series(1, 40) n",
        "DROP COLUMN a",
    ),
    case(
        "dropped and added again under its name",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int, b text); INSERT INTO app.t SELECT n, n FROM generate_series(1, 40) n",
        "DROP COLUMN a, ADD COLUMN a int DEFAULT 7",
    ),
    case(
        "dropped with what hangs on it",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a + 1) STORED, c int, UNIQUE (a)); CREATE TABLE app.c (a int REFERENCES app.t (a)); CREATE POLICY p ON app.t USING (a > 0);
         CREATE TRIGGER w BEFORE UPDATE OF a ON app.t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); INSERT INTO app.t (id, a) SELECT n, n FROM generate_series(1, 40) n",
        "DROP COLUMN a CASCADE",
    ),
    case(
        "a generated column",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int, b text); INSERT INTO app.t SELECT n, n, 'b' FROM generate_series(1, 40) n",
        "ADD COLUMN g text GENERATED ALWAYS AS (b || a::text) STORED, ALTER b TYPE varchar(10)",
    ),
    case(
        "a generated column is generated no more",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int, g int GENERATED ALWAYS AS (a * 2) STORED, h int GENERATED ALWAYS AS (a * 3) STORED); INSERT INTO app.t SELECT n, n FROM generate_series(1, 40) n",
        "ALTER g DROP EXPRESSION, ADD COLUMN z uuid DEFAULT md5(random()::text)::uuid",
    ),
    case(
        "a serial column",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int); INSERT INTO app.t SELECT n, n FROM generate_series(1, 40) n",
        "ADD COLUMN s bigserial",
    ),
    case(
        "identity for a column that is there",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int NOT NULL); INSERT INTO app.t SELECT n, n FROM generate_series(1, 40) n",
        "ALTER a ADD GENERATED BY DEFAULT AS IDENTITY (START 1000)",
    ),
    case(
        "identity no more",
        "CREATE TABLE app.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int); INSERT INTO app.t (a) SELECT n FROM generate_series(1, 40) n",
        "ALTER id DROP IDENTITY, ALTER a TYPE bigint",
    ),
    case(
        "marks of columns",
        "CREATE TABLE app.t (id int PRIMARY KEY, a text, b text DEFAULT 'x'); INSERT INTO app.t SELECT n, 'x' FROM generate_series(1, 40) n",
        "ALTER a SET STATISTICS 99, ALTER a SET STORAGE EXTERNAL, ALTER b DROP DEFAULT, ALTER b SET (n_distinct = 3), ALTER b SET DEFAULT 'y'",
    ),
];

const REST: &[Case] = &[
    case(
        "constraints come and go",
        "CREATE TABLE app.p (id int PRIMARY KEY); INSERT INTO app.p SELECT n FROM generate_series(1, 40) n;
         CREATE TABLE app.t (id int PRIMARY KEY, a int, b int, CONSTRAINT old CHECK (a > 0), CONSTRAINT oldu UNIQUE (b)); INSERT INTO app.t SELECT n, n, n FROM generate_series(1, 40) n",
        "DROP CONSTRAINT old, DROP CONSTRAINT oldu, ADD CONSTRAINT new CHECK (a < 100), ADD UNIQUE (a) DEFERRABLE, ADD CONSTRAINT fk FOREIGN KEY (b) REFERENCES app.p ON DELETE CASCADE, ADD CONSTRAINT late CHECK (b > 1) NOT VALID, ALTER a SET NOT NULL",
    ),
    case(
        "exclusion",
        "CREATE TABLE app.t (id int PRIMARY KEY, r int4range); INSERT INTO app.t SELECT n, int4range(n, n + 1) FROM generate_series(1, 40) n",
        "ADD CONSTRAINT apart EXCLUDE USING gist (r WITH &&) DEFERRABLE",
    ),
    case(
        "unlogged",
        "CREATE TABLE app.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text); INSERT INTO app.t (a) SELECT n FROM generate_series(1, 40) n",
        "SET UNLOGGED",
    ),
    case(
        "logged",
        "CREATE UNLOGGED TABLE app.t (id int PRIMARY KEY, a text); INSERT INTO app.t SELECT n FROM generate_series(1, 40) n",
        "SET LOGGED",
    ),
    case(
        "storage options",
        "CREATE TABLE app.t (id int PRIMARY KEY, a text) WITH (fillfactor = 90, toast.autovacuum_enabled = off); INSERT INTO app.t SELECT n FROM generate_series(1, 40) n",
        "SET (fillfactor = 50, autovacuum_enabled = off), RESET (toast.autovacuum_enabled), REPLICA IDENTITY FULL, CLUSTER ON t_pkey",
    ),
    case(
        "a constraint becomes deferrable and another one valid",
        "CREATE TABLE app.p (id int PRIMARY KEY); CREATE TABLE app.t (id int PRIMARY KEY, p int CONSTRAINT fk REFERENCES app.p); ALTER TABLE app.t ADD CONSTRAINT late CHECK (id > 0) NOT VALID; INSERT INTO app.t SELECT n FROM generate_series(1, 40) n",
        "ALTER CONSTRAINT fk DEFERRABLE INITIALLY DEFERRED, VALIDATE CONSTRAINT late",
    ),
    case(
        "a constraint that is not valid keeps its old rows",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int); INSERT INTO app.t SELECT n, n FROM generate_series(1, 40) n; ALTER TABLE app.t ADD CONSTRAINT late CHECK (a > 20) NOT VALID; COMMENT ON CONSTRAINT late ON app.t IS 'x'",
        "ALTER id TYPE bigint",
    ),
    case(
        "mutual references",
        "CREATE TABLE app.p (id int PRIMARY KEY, t int); CREATE TABLE app.t (id int PRIMARY KEY, p int REFERENCES app.p); INSERT INTO app.t SELECT n FROM generate_series(1, 40) n; ALTER TABLE app.p ADD FOREIGN KEY (t) REFERENCES app.t DEFERRABLE",
        "ALTER id TYPE bigint",
    ),
    case(
        "a chain of views",
        "CREATE TABLE app.t (id int PRIMARY KEY, a int, b text); INSERT INTO app.t SELECT n, n FROM generate_series(1, 40) n; CREATE VIEW app.v1 AS SELECT id, t.a, u.b FROM app.t t JOIN app.t u USING (id);
         CREATE VIEW app.v2 AS SELECT v.*, row_to_json(t)::text AS whole FROM app.v1 v, app.t; CREATE VIEW app.v3 AS WITH x AS (SELECT * FROM app.v2) SELECT * FROM x WHERE id IN (SELECT id FROM app.t); CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS one FROM app.v3;
         CREATE RECURSIVE VIEW app.r (n) AS SELECT id FROM app.t UNION SELECT n + 1 FROM r WHERE n < 3",
        "ADD COLUMN c int DEFAULT 3, ADD COLUMN d text DEFAULT md5(random()::text)",
    ),
];

async fn all(test: &str, cases: &[Case]) {
    let Some(server) = server(test) else { return };
    for (n, case) in cases.iter().enumerate() {
        let (old, new) = (format!("{test}_{n}_plain"), format!("{test}_{n}_online"));
        let mut setup = format!("CREATE SCHEMA app; {}", case.setup);
        if setup.contains("icu") && !has_icu(server).await {
            setup = setup
                .replace("provider = icu, locale = 'und-u-ks-level2', deterministic = false", "locale = 'C'");
        }
        if major(server) < 13 && case.clauses.contains("DROP EXPRESSION") {
            continue;
        }
        println!("{}", case.name);
        let table = if setup.contains("app.\"T x\"") { "app.T x" } else { "app.t" };
        let quoted = change(table, "").table.to_sql().unwrap();
        let plain = database(server, &old, &setup).await;
        run(&plain, &format!("ALTER TABLE {quoted} {}", case.clauses)).await;
        let client = database(server, &new, &setup).await;
        let first = described(&client, &quoted).await;
        let change = change(table, case.clauses);
        let made = prepare(&client, &change).await;
        swap(&client, &made, false).await;
        assert_same(
            &described(&plain, &quoted).await,
            &described(&client, &quoted).await,
            &format!("{}: the swapped table", case.name),
        );
        if let (Some(expected), Some(found)) = (dump(server, &old, test), dump(server, &new, test)) {
            assert_same(&expected, &found, &format!("{}: the dump of the swapped table", case.name));
        }
        compare(&client, &made, &change.old().to_sql().unwrap(), &quoted).await;
        if !case.clauses.contains("random()") {
            let (expected, found) = (rows(&plain, &quoted).await, rows(&client, &quoted).await);
            assert_same(&expected, &found, &format!("{}: its rows", case.name));
        }
        swap(&client, &made, true).await;
        let found = described(&client, &quoted).await;
        assert_same(&first, &found, &format!("{}: the table that was swapped back", case.name));
        back(&client, &made, &change, &quoted).await;
    }
}

async fn has_icu(server: &cofferdam_scratch::Server) -> bool {
    let client = client(server, "postgres").await;
    text(&client, "SELECT (count(*) > 0)::text FROM pg_collation WHERE collprovider = 'i'").await == "true"
}

async fn rows(client: &Client, table: &str) -> String {
    text(client, &format!("SELECT string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\") FROM {table} t"))
        .await
}

/// Rows of the new table go back into the old one as they came.
async fn back(
    client: &Client,
    made: &super::super::Blueprint,
    change: &cofferdam_core::Online,
    quoted: &str,
) {
    let before = rows(client, quoted).await;
    let kept: Vec<_> = made.back.iter().filter(|c| !c.absent).collect();
    let whole = made.back.iter().chain(&made.columns).all(|c| c.lossless || c.absent)
        && made.back.iter().all(|c| c.lossless);
    let names: Vec<_> = kept.iter().map(|c| super::super::catalog::ident(&c.name).unwrap()).collect();
    let values: Vec<_> = kept.iter().map(|c| c.expression.as_str()).collect();
    if change.clauses.contains("USING to_timestamp") {
        return;
    }
    let text = format!(
        "DELETE FROM {quoted}; INSERT INTO {quoted} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM ONLY {} n",
        names.join(", "),
        values.join(", "),
        change.shadow().to_sql().unwrap()
    );
    // A row that is there and does not hold a constraint that is not valid cannot be written again.
    if change.clauses != "ALTER id TYPE bigint" {
        run(client, &text).await;
    }
    if whole {
        assert_same(&before, &rows(client, quoted).await, "what came back");
    }
}

#[tokio::test]
async fn keys() {
    all("keys", KEYS).await;
}

#[tokio::test]
async fn types() {
    all("types", TYPES).await;
}

#[tokio::test]
async fn columns() {
    all("columns", COLUMNS).await;
}

#[tokio::test]
async fn rest() {
    all("rest", REST).await;
}
