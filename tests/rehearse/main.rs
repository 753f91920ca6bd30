//! `rehearse`, with real servers: what it sees, what it refuses, and that nothing is left of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod ends;
mod live;
mod refused;

use serde_json::Value;
use support::{Bench, Ended};

/// Everything that the copy of a schema must have: the first statements make what the later ones need.
pub(crate) const SHOP: &str = r#"
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int DEFAULT 1 CHECK (VALUE > 0);
CREATE TYPE span AS RANGE (SUBTYPE = int4);
CREATE FUNCTION next(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE SEQUENCE loose INCREMENT 5 MAXVALUE 1000 CYCLE;
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL,
    mood shop.mood, p pair, n positive);
CREATE TABLE orders (id serial PRIMARY KEY, customer bigint NOT NULL REFERENCES customers, up int REFERENCES orders,
    total numeric(10, 2) CHECK (total >= 0), twice numeric GENERATED ALWAYS AS (total * 2) STORED, x int DEFAULT next(3),
    note text, old text, EXCLUDE USING btree (old WITH =)) WITH (fillfactor = 70);
INSERT INTO customers (name) SELECT 'c' || n FROM generate_series(1, 100) n;
INSERT INTO orders (customer, up, total, note) SELECT n % 100 + 1, CASE WHEN n > 900 THEN n - 900 END, n, 'note ' || n
    FROM generate_series(1, 1000) n;
CREATE INDEX orders_note ON orders (lower(note)) WHERE note IS NOT NULL;
CREATE TABLE parts (id int NOT NULL, day date NOT NULL, v int CHECK (v > 0), PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
CREATE INDEX parts_v ON parts (v);
ALTER TABLE parts ADD FOREIGN KEY (v) REFERENCES orders;
CREATE TABLE parent (a int);
CREATE TABLE child (b int) INHERITS (parent);
CREATE VIEW seen AS SELECT id, total FROM orders;
CREATE VIEW also AS SELECT * FROM seen;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM orders;
CREATE UNIQUE INDEX counted_n ON counted (n);
CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE orders ENABLE ALWAYS TRIGGER t;
CREATE TRIGGER tp BEFORE INSERT ON parts FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON customers FOR SELECT TO PUBLIC USING (id > 0);
CREATE STATISTICS together ON customer, total FROM orders;
CREATE RULE never AS ON DELETE TO parent DO INSTEAD NOTHING;
CREATE TABLE "We ird" ("Co l" int DEFAULT 3);
ANALYZE;
"#;

pub(crate) fn shop(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.query(SHOP);
    bench
}

pub(crate) fn document(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}\n{}\n{}", ended.stdout, ended.stderr))
}

/// Runs it with `-o json`; the database must be as it was.
pub(crate) fn rehearse(bench: &Bench, arguments: &[&str]) -> (i32, Value, String) {
    let before = bench.dump();
    let all = [&["rehearse", "-o", "json"], arguments].concat();
    let ended = bench.run(&all);
    assert_eq!(bench.dump(), before, "the database itself was changed");
    assert_eq!(bench.one("SELECT count(*) FROM pg_namespace WHERE nspname = 'cofferdam'"), "0");
    let found = if ended.stdout.trim().is_empty() { Value::Null } else { document(&ended) };
    (ended.code, found, ended.stderr)
}

/// The steps of a way.
pub(crate) fn steps<'v>(found: &'v Value, way: &str) -> &'v Vec<Value> {
    let ways = found["ways"].as_array().unwrap_or_else(|| panic!("{found:#}"));
    let way = ways.iter().find(|w| w["way"] == way).unwrap_or_else(|| panic!("no way {way}: {found:#}"));
    way["steps"].as_array().unwrap()
}

/// The lock of a step on a relation; empty: none.
fn lock(step: &Value, on: &str) -> String {
    let locks = step["deed"]["locks"].as_array().cloned().unwrap_or_default();
    let own = locks.iter().find(|lock| lock[0] == on);
    own.map(|lock| lock[1].as_str().unwrap().to_owned()).unwrap_or_default()
}

#[test]
fn a_migration_is_seen_there_back_and_there_again() {
    let bench = shop("seen");
    bench.file(
        "V1__change.sql",
        "ALTER TABLE orders ADD COLUMN extra text;
         CREATE INDEX orders_total ON orders (total);
         ALTER TABLE orders ALTER COLUMN note SET NOT NULL;
         CREATE TABLE added (id int PRIMARY KEY, o int REFERENCES orders);",
    );
    let (code, found, said) = rehearse(&bench, &["--sample-rows", "1000"]);
    assert_eq!(code, 0, "{found:#}\n{said}");
    assert_eq!(found["mayBeApplied"], true);
    assert_eq!(found["copyDiffers"], serde_json::json!([]), "the copy is as the database");
    assert_eq!(found["notCarried"], serde_json::json!([]));
    // 1,000 orders and the customers that they belong to.
    assert_eq!(found["sampledRows"], 1_100, "{found:#}");
    for way in ["there", "again"] {
        let steps = steps(&found, way);
        let named = |part: &str| {
            let own = |s: &&Value| s["title"].as_str().unwrap().contains(part);
            steps.iter().find(own).unwrap_or_else(|| panic!("no step {part}: {steps:#?}"))
        };
        assert_eq!(lock(named("extra"), "public.orders"), "ACCESS EXCLUSIVE");
        assert_eq!(lock(named("orders_total"), "public.orders"), "SHARE UPDATE EXCLUSIVE", "{found:#}");
        assert_eq!(lock(named("added"), "public.orders"), "SHARE ROW EXCLUSIVE");
        assert!(named("extra")["deed"]["walBytes"].as_u64().unwrap() > 0);
        let validated = named("validate");
        assert_eq!(validated["deed"]["read"][0], serde_json::json!(["public.orders", 1000]), "{validated:#}");
    }
    assert!(!steps(&found, "back").is_empty());
    let more: Vec<&Value> =
        steps(&found, "there").iter().flat_map(|s| s["more"].as_array().unwrap()).collect();
    assert!(more.is_empty(), "{more:#?}");
}

#[test]
fn what_is_rewritten_is_seen_and_what_is_dropped() {
    let bench = shop("rewritten");
    bench.file(
        "V1__change.sql",
        "-- cofferdam:allow change-type-rewrite reason=\"it is small\" until=2099-01-01
         ALTER TABLE orders ALTER COLUMN x TYPE bigint;",
    );
    let (code, found, said) = rehearse(&bench, &["--strategy", "direct"]);
    assert_eq!(code, 0, "{found:#}\n{said}");
    let there = &steps(&found, "there")[0];
    let rewritten: Vec<&str> =
        there["deed"]["rewritten"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(rewritten.contains(&"public.orders") && rewritten.contains(&"public.orders_pkey"), "{there:#}");
    assert_eq!(lock(there, "public.orders"), "ACCESS EXCLUSIVE");
}

#[test]
fn a_way_back_that_leaves_something_is_refused() {
    let bench = shop("leaves");
    bench.file(
        "V1__change.sql",
        "ALTER TABLE orders ADD COLUMN extra text; ALTER TABLE orders ADD COLUMN more int;",
    );
    bench.file("U1__change.sql", "ALTER TABLE orders DROP COLUMN extra;");
    let (code, found, said) = rehearse(&bench, &[]);
    assert_eq!(code, 1, "{found:#}\n{said}");
    assert!(said.contains("CF3736"), "{said}");
    let failed = &found["failed"];
    // The second time the column that was left is in the way.
    assert_eq!(found["differs"][0]["object"], "column public.orders.more", "{found:#}");
    assert!(failed["way"] == "again", "{failed}");
    let ended = bench.run(&["rehearse"]);
    assert!(ended.stdout.contains("column public.orders.more is left"), "{}", ended.stdout);
    assert!(ended.stdout.contains("it must not be applied as it is"), "{}", ended.stdout);
}

#[test]
fn what_the_rows_refuse_shows_with_a_sample() {
    let bench = shop("rows");
    bench.file("V1__change.sql", "ALTER TABLE orders ADD CONSTRAINT few CHECK (total < 5);");
    let (code, found, said) = rehearse(&bench, &[]);
    assert_eq!(code, 0, "{found:#}\n{said}");
    let (code, found, said) = rehearse(&bench, &["--sample-rows", "50"]);
    assert_eq!(code, 1, "{found:#}\n{said}");
    assert_eq!(found["failed"]["way"], "there");
    assert!(found["failed"]["cause"].as_str().unwrap().contains("few"), "{found:#}");
}

#[test]
fn a_large_table_is_changed_online_there_and_back() {
    let bench = shop("online");
    // What an online change refuses to lead over.
    bench.query("DROP MATERIALIZED VIEW counted; ALTER TABLE parts DROP CONSTRAINT parts_v_fkey");
    bench.file("V1__change.sql", "ALTER TABLE orders ALTER COLUMN x TYPE bigint;");
    let (code, found, said) = rehearse(&bench, &["--strategy", "shadow-table", "--sample-rows", "500"]);
    assert_eq!(code, 0, "{found:#}\n{said}");
    // Had it not been swapped back, there would be nothing to do the second time.
    assert_eq!(steps(&found, "there").len(), steps(&found, "again").len(), "{found:#}");
    assert!(steps(&found, "again").iter().any(|step| step["title"] == "swap the tables"), "{found:#}");
    assert_eq!(found["differs"], serde_json::json!([]));
}

#[test]
fn nothing_pending_is_nothing_to_rehearse() {
    let bench = shop("nothing");
    bench.file("V1__change.sql", "SELECT 1;");
    bench.must(&["apply"]);
    let ended = bench.must(&["rehearse"]);
    assert!(ended.stdout.contains("nothing is pending"), "{}", ended.stdout);
}
