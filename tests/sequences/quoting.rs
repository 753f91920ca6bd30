//! Names that want to be SQL, all the way: from a file through the plan to the server and back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use cofferdam_core::QuotedIdent;

use crate::support::Bench;
use crate::{assert_same, copy_of_shop, dump, shop};

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

/// For each name a table of that name gets a column, an index and constraints of that name, and loses them again.
fn carried_through(names: &BTreeSet<String>) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let bench = Bench::of(copy_of_shop(format!("quoting_{}", NUMBER.fetch_add(1, Ordering::SeqCst))));
    let (mut tables, mut more) = (String::new(), String::new());
    for name in names {
        let quoted = QuotedIdent::new(name).unwrap();
        // Indexes and tables share their names.
        let beside = QuotedIdent::new(&format!("{name}, beside")).unwrap();
        tables += &format!("CREATE TABLE {quoted} (id int PRIMARY KEY, {quoted} int);\n");
        more += &format!(
            "CREATE INDEX {beside} ON {quoted} ({quoted});\n\
             ALTER TABLE {quoted} ADD COLUMN {beside} text;\n\
             ALTER TABLE {quoted} ALTER COLUMN {quoted} SET NOT NULL;\n\
             ALTER TABLE {quoted} ADD CONSTRAINT {quoted} CHECK ({quoted} > 0);\n\
             ALTER TABLE {quoted} ADD UNIQUE ({beside});\n"
        );
    }
    bench.file("V1__tables.sql", &tables).file("V2__more.sql", &more);
    // As the text of a migration a `${x}` would be a placeholder of Flyway's.
    for settings in ["V1__tables.sql.conf", "V2__more.sql.conf"] {
        bench.file(settings, "placeholderReplacement=false");
    }
    bench.must(&["apply"]);
    let there = bench.query(
        "SELECT c.relname::text, string_agg(a.attname || ' ' || a.attnotnull, '|' ORDER BY a.attnum),
                (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid)
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE k.conname = c.relname AND a.attnum > 0 GROUP BY c.oid, c.relname",
    );
    let there: BTreeSet<Vec<String>> = there.into_iter().collect();
    let expected =
        names.iter().map(|n| vec![n.clone(), format!("id true|{n} true|{n}, beside false"), "3".to_owned()]);
    assert_eq!(there, expected.collect());
    bench.must(&["plan", "--exit-code"]);
    bench.must(&["rollback", "--to", "1", "--yes"]);
    bench.must(&["rollback", "--to", "0", "--yes"]);
    assert_same(&dump(&bench.url), shop(), "taken back");
    bench.assert_sound();
}

#[test]
fn chosen_names() {
    carried_through(&HOSTILE.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn any_name() {
    // Each case is a database and some commands.
    let config = Config { cases: 4, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&proptest::collection::btree_set(name(), 8..12), |names| {
            carried_through(&names);
            Ok(())
        })
        .unwrap();
}
