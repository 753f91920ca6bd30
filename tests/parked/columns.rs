//! Columns.

use crate::support::Bench;
use crate::{parked, refused, rows, schema, shop};

const PARK: &[&str] = &["apply", "--park"];

#[test]
fn a_column_comes_back_with_its_values_and_what_hung_on_it() {
    let bench = shop("parked_column", "ALTER TABLE orders DROP COLUMN note, DROP COLUMN IF EXISTS never;");
    let role = format!("{}_app", bench.database);
    bench.query(&format!(
        "CREATE ROLE {role}; GRANT SELECT (note) ON orders TO {role}; COMMENT ON COLUMN orders.note IS 'why';
         CREATE INDEX orders_both ON orders (u, note); ALTER TABLE orders ADD UNIQUE (note, u);
         CREATE STATISTICS noted ON u, note FROM orders"
    ));
    let of = "SELECT id, note FROM orders ORDER BY id";
    let hangs = "SELECT array_agg(x ORDER BY x) FROM (
        SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'orders'::regclass
        UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass AND contype <> 'n'
        UNION ALL SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxrelid = 'orders'::regclass
        UNION ALL SELECT attname::text || format_type(atttypid, atttypmod) || attcollation::text || attnotnull::text || coalesce(attacl::text, '')
                         || coalesce(col_description(attrelid, attnum), '')
            FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT tgname::text || tgenabled::text FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND NOT tgisinternal
        UNION ALL SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'orders'::regclass) a (x)";
    let (values, before, moments) =
        (bench.query(of), bench.one(hangs), bench.one("SELECT max(at) FROM orders"));
    bench.must(PARK);
    assert_eq!(
        bench.one(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'note'"
        ),
        "0"
    );
    bench.query("DELETE FROM orders WHERE id = 1; INSERT INTO orders (u) VALUES (1)");
    bench.must(&["undrop", "orders.note"]);
    let mut expected: Vec<Vec<String>> = values.into_iter().skip(1).collect();
    expected.push(vec!["501".into(), "NULL".into()]);
    assert_eq!(bench.query(of), expected);
    assert_eq!(bench.one(hangs), before);
    // The application's trigger saw nothing of it.
    assert_eq!(bench.one("SELECT max(at) FROM orders WHERE id <= 500"), moments);
    assert!(parked(&bench).is_empty());
    bench.assert_sound();
    bench.query(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn taking_the_migration_back_brings_the_values_back() {
    let bench = shop("parked_column_back", "ALTER TABLE users DROP name;");
    let before = (schema(&bench), rows(&bench, "users"));
    bench.must(PARK);
    bench.must(&["rollback", "--yes"]);
    assert_eq!((schema(&bench), rows(&bench, "users")), before);
    bench.assert_sound();
}

#[test]
fn not_null_stays_away_where_rows_were_written_without_it() {
    let bench = shop("parked_column_null", "ALTER TABLE users DROP name;");
    bench.must(PARK);
    bench.query("INSERT INTO users VALUES (101)");
    let back = bench.must(&["undrop"]);
    assert!(back.stdout.contains("NOT NULL of public.users.name is not back"), "{}", back.stdout);
    assert_eq!(bench.one("SELECT count(*) FROM users WHERE name IS NULL"), "1");
}

#[test]
fn row_security_hides_no_value_from_the_copy() {
    let bench = shop("parked_column_rls", "ALTER TABLE users DROP name;");
    let role = format!("{}_owner", bench.database);
    bench.query(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'r'; GRANT CREATE ON DATABASE {0} TO {role}; GRANT ALL ON SCHEMA public TO {role};
         ALTER TABLE users OWNER TO {role}; ALTER TABLE users ENABLE ROW LEVEL SECURITY; ALTER TABLE users FORCE ROW LEVEL SECURITY;
         CREATE POLICY few ON users USING (id < 10)",
        bench.database
    ));
    let url = bench.url.replacen("postgres:postgres@", &format!("{role}:r@"), 1);
    let url = if url == bench.url { url.replacen("postgres@", &format!("{role}:r@"), 1) } else { url };
    let ended = crate::support::ended(bench.command(PARK).env("COFFERDAM_URL", &url));
    refused(&ended, 6, &["row-level security"]);
    assert_eq!(bench.one("SELECT count(name) FROM users"), "100");
    bench.query("ALTER TABLE users NO FORCE ROW LEVEL SECURITY");
    let ended = crate::support::ended(bench.command(PARK).env("COFFERDAM_URL", &url));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let ended = crate::support::ended(bench.command(&["undrop"]).env("COFFERDAM_URL", &url));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(bench.one("SELECT count(name) FROM users"), "100");
}

#[test]
fn what_cannot_be_parked_is_refused_and_nothing_is_dropped() {
    let bench = Bench::new("parked_column_refused");
    bench.query(
        "CREATE TABLE keyless (a int, b int); INSERT INTO keyless VALUES (1, 2);
         CREATE TABLE keyed (a int PRIMARY KEY, b int, n serial, g int GENERATED ALWAYS AS (b + 1) STORED);
         CREATE TABLE parts (a int PRIMARY KEY, b int) PARTITION BY RANGE (a);
         CREATE TABLE large (a int PRIMARY KEY, b text); ALTER TABLE large ALTER b SET STORAGE PLAIN;
         INSERT INTO large SELECT i, repeat('x', 1900) FROM generate_series(1, 10000) i;
         CREATE TABLE viewed (a int PRIMARY KEY, b int); CREATE VIEW v AS SELECT b FROM viewed",
    );
    let before = schema(&bench);
    for (change, exit, said) in [
        ("ALTER TABLE keyless DROP COLUMN b;", 6, "no key"),
        ("ALTER TABLE keyed DROP COLUMN a;", 6, "no key"),
        ("ALTER TABLE keyed DROP COLUMN n;", 6, "sequence"),
        ("ALTER TABLE keyed DROP COLUMN g;", 6, "generated"),
        ("ALTER TABLE parts DROP COLUMN b;", 6, "no plain table"),
        ("ALTER TABLE large DROP COLUMN b;", 1, "shadow-table"),
        ("CREATE TABLE first (id int);\nALTER TABLE large DROP COLUMN b;", 1, "CF3501"),
        ("ALTER TABLE viewed DROP COLUMN b;", 6, "other objects depend on it"),
        ("ALTER TABLE viewed DROP COLUMN b CASCADE;", 1, "CF3501"),
        ("ALTER TABLE keyed DROP COLUMN b, ADD COLUMN c int;", 1, "statement of its own"),
        ("ALTER TABLE keyed DROP COLUMN nowhere;", 6, "does not exist"),
    ] {
        bench.file("V1__change.sql", change);
        refused(&bench.run(&["apply", "--park", "--allow", "drop-column=a test"]), exit, &[said]);
        assert_eq!(schema(&bench), before, "{change}");
    }
    bench.file("V1__change.sql", "ALTER TABLE keyed DROP COLUMN IF EXISTS nowhere;");
    bench.must(PARK);
    assert!(parked(&bench).is_empty());
}

#[test]
fn a_column_that_is_there_again_or_a_key_that_went_is_in_the_way() {
    let bench = shop("parked_column_taken", "ALTER TABLE users DROP name;");
    bench.must(PARK);
    bench.query("ALTER TABLE users ADD COLUMN name int");
    refused(&bench.run(&["undrop"]), 6, &["CF3504", "another column name"]);
    bench.query("ALTER TABLE users DROP COLUMN name; ALTER TABLE orders DROP CONSTRAINT orders_u_fkey; ALTER TABLE users DROP CONSTRAINT users_pkey");
    refused(&bench.run(&["undrop"]), 6, &["CF3505", "unique index"]);
    bench.query("ALTER TABLE users ADD PRIMARY KEY (id)");
    bench.must(&["undrop"]);
    assert_eq!(bench.one("SELECT count(name) FROM users"), "100");
}
