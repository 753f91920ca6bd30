//! A database of thousands of tables.

use cofferdam_schema::{Kind, compare, lead};

use super::bench::bench;

/// So many tables, each with a key, an index, a foreign key, a default and a comment.
const TABLES: usize = 5_000;

#[test]
fn a_schema_of_thousands_of_tables_is_read_compared_and_led() {
    let Some(bench) = bench("a_schema_of_thousands_of_tables_is_read_compared_and_led") else { return };
    let database = bench.database("CREATE TABLE first (id int PRIMARY KEY)");
    // A transaction each hundred: all of them in one would need more locks than the server has room for.
    for from in (0..TABLES).step_by(100) {
        let statements: String = (from..from + 100)
            .map(|n| {
                format!(
                    "CREATE TABLE t{n} (id bigint PRIMARY KEY, a text DEFAULT 'x', b int REFERENCES first);
                     CREATE INDEX t{n}_a ON t{n} (a);"
                )
            })
            .collect();
        bench.run(&database, &statements);
    }
    let one = bench.inspect(&database);
    assert_eq!(one.objects.keys().filter(|key| key.kind == Kind::Table).count(), TABLES + 1);
    assert_eq!(one.objects.keys().filter(|key| key.kind == Kind::Index).count(), TABLES);
    assert!(compare(&one, &bench.inspect(&database)).is_empty());
    let nothing = bench.inspect(&bench.database(""));
    let way = lead(&nothing, &one);
    // The table with its key, its index, its foreign key; once a table without the two.
    assert_eq!((way.statements.len(), way.notes.len()), (3 * TABLES + 1, 0));
    assert_eq!(lead(&one, &nothing).held(), TABLES + 1);
}
