//! Tables and columns that are parked in place of being dropped, with a real server: they come back as they were, or
//! it is said beforehand that they will not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../support/disk.rs"]
mod small;
#[path = "../support/mod.rs"]
mod support;

mod back;
mod columns;
mod crash;
mod disk;
mod ends;
mod tables;

use support::{Bench, Ended};

/// A shop in which much hangs together.
pub(crate) const SHOP: &str = "
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 100) i;
CREATE TABLE orders (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number serial UNIQUE,
    u int NOT NULL REFERENCES users ON DELETE CASCADE,
    parent int REFERENCES orders,
    note text COLLATE \"C\" DEFAULT 'none' CHECK (note <> ''),
    at timestamptz NOT NULL DEFAULT now());
CREATE INDEX orders_note ON orders (lower(note));
CREATE STATISTICS orders_stat ON u, parent FROM orders;
INSERT INTO orders (u, note) SELECT i % 100 + 1, 'note ' || i FROM generate_series(1, 500) i;
COMMENT ON TABLE orders IS 'what was ordered';
COMMENT ON CONSTRAINT orders_u_fkey ON orders IS 'whose';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := '2000-01-01'; RETURN NEW; END $$;
CREATE TRIGGER orders_touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_touch;
";

pub(crate) fn shop(name: &str, change: &str) -> Bench {
    let bench = Bench::new(name);
    bench.query(SHOP);
    bench.file("V1__change.sql", change);
    bench
}

/// The application's schema as pg_dump writes it, without what is parked.
pub(crate) fn schema(bench: &Bench) -> String {
    let output = std::process::Command::new(support::program("pg_dump"))
        .args(["--schema-only", "-N", "cofferdam", "-N", "cofferdam_parked_*", &bench.url])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let fence = |l: &&str| !l.starts_with("\\restrict") && !l.starts_with("\\unrestrict");
    text.lines().filter(fence).collect::<Vec<_>>().join("\n")
}

/// Every row of a table as a text, in order.
pub(crate) fn rows(bench: &Bench, table: &str) -> Vec<Vec<String>> {
    bench.query(&format!("SELECT t::text FROM {table} t ORDER BY 1"))
}

/// What is parked and there: name, and when it is kept until.
pub(crate) fn parked(bench: &Bench) -> Vec<String> {
    bench
        .query("SELECT name FROM cofferdam.parked WHERE ended_at IS NULL ORDER BY parked_at, name")
        .into_iter()
        .map(|row| row[0].clone())
        .collect()
}

/// It failed with this exit code and this code, and said all of these.
pub(crate) fn refused(ended: &Ended, exit: i32, said: &[&str]) {
    assert_eq!(ended.code, exit, "{}\n{}", ended.stdout, ended.stderr);
    for word in said {
        assert!(ended.stderr.contains(word), "no {word:?} in:\n{}", ended.stderr);
    }
}
