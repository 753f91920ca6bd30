//! Names that want to be SQL, all the way: from a file through the plan to the server and back.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use cofferdam_core::QuotedIdent;

use crate::support::{Bench, server};
use crate::{assert_same, dump, shop};

/// Names that were chosen to hurt.
const HOSTILE: &[&str] = &[
    "x\"; DROP TABLE users; --",
    "x'; DROP TABLE users; --",
    "\"",
    "\"\"",
    "'",
    "$$",
    "$1",
    "\\",
    "\\.",
    ".",
    "a.b",
    "--",
    "/*",
    "*/",
    ";",
    " ",
    " a ",
    "a\nb",
    "a\r\nb",
    "\t",
    "select",
    "USER",
    "Table",
    "ä",
    "日本",
    "🦀",
    "a\u{301}",
    "\u{feff}",
    "\u{202e}abc",
    "%s",
    "${x}",
    "{}",
    "`",
    "a\u{1b}[31mred",
    "0",
];

/// Anything that PostgreSQL takes for a name.
fn name() -> impl Strategy<Value = String> {
    let any = proptest::collection::vec(proptest::char::any(), 1..20)
        .prop_map(|chars| chars.into_iter().filter(|c| *c != '\0').collect::<String>());
    let pieces = proptest::collection::vec(proptest::sample::select(HOSTILE), 1..4).prop_map(|p| p.concat());
    prop_oneof![any, pieces].prop_filter("a name has 1 to 50 bytes", |n| !n.is_empty() && n.len() <= 50)
}

/// A table of that name gets a column, an index and a constraint of that name, and loses them again.
fn carried_through(name: &str) {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    let database = format!("quoting_{number}");
    server().query("postgres", &format!("CREATE DATABASE {database} TEMPLATE {}", shop())).unwrap();
    let bench = Bench::of(database);
    let before = dump(&bench.url);
    let quoted = QuotedIdent::new(name).unwrap();
    let beside = QuotedIdent::new(&format!("{name}i")).unwrap();
    bench
        // As the text of a migration a `${x}` would be a placeholder of Flyway's.
        .file("V1__table.sql.conf", "placeholderReplacement=false")
        .file("V2__more.sql.conf", "placeholderReplacement=false")
        .file("V1__table.sql", &format!("CREATE TABLE {quoted} (id int PRIMARY KEY, {quoted} int);"))
        .file(
            "V2__more.sql",
            &format!(
                "CREATE INDEX {beside} ON {quoted} ({quoted});\n\
                 ALTER TABLE {quoted} ADD COLUMN {beside} text;\n\
                 ALTER TABLE {quoted} ALTER COLUMN {quoted} SET NOT NULL;\n\
                 ALTER TABLE {quoted} ADD CONSTRAINT {quoted} CHECK ({quoted} > 0);\n\
                 ALTER TABLE {quoted} ADD UNIQUE ({beside});"
            ),
        );
    bench.must(&["apply"]);
    let there = bench
        .query("SELECT relname::text FROM pg_class WHERE oid = (SELECT max(conrelid) FROM pg_constraint)");
    assert_eq!(there, [[name.to_owned()]]);
    let columns = bench.query(
        "SELECT attname::text, attnotnull FROM pg_attribute WHERE attnum > 1 AND attrelid = (SELECT max(conrelid) FROM pg_constraint)
         ORDER BY attnum",
    );
    assert_eq!(columns, [[name.to_owned(), "t".to_owned()], [format!("{name}i"), "f".to_owned()]]);
    let index = format!("{name}i");
    let valid =
        bench.query("SELECT c.relname::text, indisvalid FROM pg_index JOIN pg_class c ON c.oid = indexrelid");
    assert!(valid.contains(&vec![index, "t".to_owned()]), "{valid:?}");
    bench.must(&["plan", "--exit-code"]);
    bench.must(&["rollback", "--to", "1", "--yes"]);
    bench.must(&["rollback", "--to", "0", "--yes"]);
    assert_same(&dump(&bench.url), &before, "taken back");
    bench.assert_sound();
    server().query("postgres", &format!("DROP DATABASE {}", bench.database)).unwrap();
}

#[test]
fn chosen_names() {
    crate::support::each(HOSTILE, |name| format!("{name:?}"), |name| carried_through(name));
}

#[test]
fn any_name() {
    // Each case is a database and a dozen commands.
    let mut runner = TestRunner::new(Config {
        cases: 12,
        max_shrink_iters: 8,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&name(), |name| {
            carried_through(&name);
            Ok(())
        })
        .unwrap();
}
