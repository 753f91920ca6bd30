//! Pairs of schemas that nobody thought of.

use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::bench::bench;

const TYPES: &[(&str, &str)] = &[
    ("int", "7"),
    ("bigint", "8"),
    ("text", "'it''s'"),
    ("varchar(20)", "'x'"),
    ("numeric(8,2)", "1.5"),
    ("numeric(10,2)", "2.5"),
    ("date", "'2026-01-01'"),
    ("timestamptz", "now()"),
    ("state", "'a'"),
    ("state[]", "'{a}'"),
    ("short", "'s'"),
    ("boolean", "true"),
    ("jsonb", "'{}'"),
];

const LABELS: &[&[&str]] = &[&["a"], &["a", "b"], &["b", "a"], &["a", "x", "b"]];

#[derive(Debug, Clone)]
struct Column {
    ty: usize,
    default: bool,
    not_null: bool,
    /// None, plain, unique, on an expression.
    index: u8,
    check: bool,
    in_view: bool,
    comment: bool,
}

#[derive(Debug, Clone)]
struct Random {
    labels: usize,
    tables: Vec<Option<Vec<Option<Column>>>>,
    /// From the table of the number to the one before.
    references: [bool; 3],
    view_on_view: bool,
    function: u8,
    trigger: u8,
    policy: bool,
    grant: bool,
}

fn column() -> impl Strategy<Value = Column> {
    (0..TYPES.len(), any::<[bool; 5]>(), 0..4u8).prop_map(
        |(ty, [default, not_null, check, in_view, comment], index)| Column {
            ty,
            default,
            not_null,
            index,
            check,
            in_view,
            comment,
        },
    )
}

fn schema() -> impl Strategy<Value = Random> {
    let table = option::weighted(0.8, proptest::collection::vec(option::weighted(0.7, column()), 4));
    (
        0..LABELS.len(),
        proptest::collection::vec(table, 3),
        any::<[bool; 3]>(),
        any::<[bool; 3]>(),
        0..4u8,
        0..3u8,
    )
        .prop_map(|(labels, tables, references, [view_on_view, policy, grant], function, trigger)| {
            Random { labels, tables, references, view_on_view, function, trigger, policy, grant }
        })
}

impl Random {
    fn sql(&self) -> String {
        let labels: Vec<String> = LABELS[self.labels].iter().map(|l| format!("'{l}'")).collect();
        let mut out = format!(
            "CREATE TYPE state AS ENUM ({}); CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);
             CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';",
            labels.join(", ")
        );
        out += match self.function {
            0 => "",
            1 => "CREATE FUNCTION f(state) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';",
            2 => "CREATE FUNCTION f(state) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2';",
            _ => "CREATE FUNCTION f(state) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''x''::text';",
        };
        for (number, columns) in self.tables.iter().enumerate() {
            let Some(columns) = columns else { continue };
            let name = format!("t{number}");
            let mut lines = vec!["id int PRIMARY KEY".to_owned()];
            let (mut after, mut seen) = (String::new(), vec!["id".to_owned()]);
            for (at, column) in columns.iter().enumerate() {
                let Some(column) = column else { continue };
                let (ty, default) = TYPES[column.ty];
                let c = format!("c{at}");
                let default = if column.default { format!(" DEFAULT {default}") } else { String::new() };
                lines.push(format!("{c} {ty}{default}{}", if column.not_null { " NOT NULL" } else { "" }));
                if column.check {
                    lines.push(format!("CONSTRAINT {name}_{c} CHECK ({c} IS NOT NULL OR id > 0)"));
                }
                match column.index {
                    1 => after += &format!("CREATE INDEX {name}_{c}_i ON {name} ({c});"),
                    2 => lines.push(format!("CONSTRAINT {name}_{c}_u UNIQUE (id, {c})")),
                    3 => after += &format!("CREATE INDEX {name}_{c}_i ON {name} (id) WHERE {c} IS NOT NULL;"),
                    _ => {}
                }
                if column.comment {
                    after += &format!("COMMENT ON COLUMN {name}.{c} IS '{ty}';");
                }
                if column.in_view {
                    seen.push(c);
                }
            }
            out += &format!("CREATE TABLE {name} ({}); {after}", lines.join(", "));
            out += &format!("CREATE VIEW v{number} AS SELECT {} FROM {name};", seen.join(", "));
            if self.view_on_view {
                out += &format!("CREATE VIEW w{number} AS SELECT * FROM v{number} WHERE id > 1;");
            }
            if self.references[number] && number > 0 && self.tables[number - 1].is_some() {
                out += &format!(
                    "ALTER TABLE {name} ADD CONSTRAINT {name}_r FOREIGN KEY (id) REFERENCES t{};",
                    number - 1
                );
            }
            out += match self.trigger {
                0 => String::new(),
                1 => format!("CREATE TRIGGER g BEFORE UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION tg();"),
                _ => format!("CREATE TRIGGER g AFTER INSERT ON {name} FOR EACH ROW WHEN (NEW.id > 3) EXECUTE FUNCTION tg();"),
            }
            .as_str();
            if self.policy {
                let read = seen.last().cloned().unwrap_or_default();
                out += &format!(
                    "CREATE POLICY p ON {name} FOR SELECT USING ({read} IS NOT NULL); ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"
                );
            }
            if self.grant {
                out += &format!(
                    "GRANT SELECT ON {name}, v{number} TO reader; GRANT UPDATE (id) ON {name} TO app;"
                );
            }
        }
        out
    }
}

#[test]
fn any_schema_is_led_to_any_other() {
    let Some(bench) = bench("any_schema_is_led_to_any_other") else { return };
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 60,
        ..Config::default()
    });
    let outcome = runner.run(&(schema(), schema()), |(from, to)| {
        let way = bench.prove(&from.sql(), &to.sql()).map_err(TestCaseError::fail)?;
        prop_assert!(way.notes.is_empty(), "{:?}", way.notes);
        Ok(())
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
}
