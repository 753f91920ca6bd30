//! What each statement is read as: the files in `statements/`, with the result beside each in `snapshots/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use cofferdam_core::{Action, Script};
use cofferdam_dialects::postgres;
use regex::Regex;

/// The debug form of an action without what is not there: `false`, `None` and `[]`.
fn compact(text: &str) -> String {
    static RULES: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
        [
            (r#"Name \{ schema: None, name: "((?:[^"\\]|\\.)*)" \}"#, "<$1>"),
            (r#"Name \{ schema: Some\("((?:[^"\\]|\\.)*)"\), name: "((?:[^"\\]|\\.)*)" \}"#, "<$1 . $2>"),
            (r"\b\w+: (?:false|None|\[\]), ", ""),
            (r"(?:, |\b)\w+: (?:false|None|\[\]) \}", " }"),
        ]
        .map(|(pattern, by)| (Regex::new(pattern).unwrap(), by))
    });
    RULES.iter().fold(text.to_owned(), |text, (pattern, by)| pattern.replace_all(&text, *by).into_owned())
}

#[test]
fn statements_are_read_as_reviewed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/statements");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let mut count = 0;
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let script = Script::new(name, std::fs::read_to_string(&file).unwrap());
        let parsed = postgres::read(&script).unwrap();
        count += parsed.changes.len();
        let lines =
            parsed.changes.iter().map(|c| format!("{}\n  {}", c.text, compact(&format!("{:?}", c.action))));
        insta::assert_snapshot!(name, lines.collect::<Vec<_>>().join("\n"));
        for change in &parsed.changes {
            let unparsed = matches!(change.action, Action::Unparsed { .. });
            assert_eq!(unparsed, name == "unparsed", "{}: {:?}", change.text, change.action);
        }
    }
    assert!(count >= 300, "{count}");
}

fn action(text: &str) -> Action {
    let parsed = postgres::read(&Script::new("x.sql", text)).unwrap();
    assert_eq!(parsed.changes.len(), 1);
    parsed.changes[0].action.clone()
}

#[test]
fn what_is_nested_too_deep_is_not_parsed_instead_of_ending_the_process() {
    let wrapped =
        |open: &str, close: &str, n: usize| format!("SELECT {}1{}", open.repeat(n), close.repeat(n));
    for (open, close) in
        [("(", ")"), ("array[", "]"), ("case when a then ", " end"), ("not ", ""), ("- ", "")]
    {
        assert_eq!(action(&wrapped(open, close, 150)), Action::Select, "{open}");
        let deep = action(&wrapped(open, close, 20_000));
        assert!(matches!(deep, Action::Unparsed { .. }), "{open}: {deep:?}");
    }
    for (begin, link) in [
        ("SELECT 1", " + 1"),
        ("SELECT a", " or a = 1"),
        ("SELECT 1", "::int"),
        ("SELECT 1", " union select 1"),
        ("SELECT 1 FROM a", " join b on true"),
        ("SELECT a", " is null"),
        ("SELECT a", " collate \"C\""),
    ] {
        assert_eq!(action(&format!("{begin}{}", link.repeat(200))), Action::Select, "{link}");
        let long = action(&format!("{begin}{}", link.repeat(100_000)));
        assert!(matches!(long, Action::Unparsed { .. }), "{link}: {long:?}");
    }
}

#[test]
fn a_wide_statement_is_not_a_deep_one() {
    let columns: Vec<_> =
        (0..1600).map(|i| format!("c{i} numeric(10, 2) DEFAULT (1 + {i}) NOT NULL")).collect();
    let Action::CreateTable(table) = action(&format!("CREATE TABLE t ({})", columns.join(", "))) else {
        panic!("it is a CREATE TABLE");
    };
    assert_eq!(table.columns.len(), 1600);
}

#[test]
fn a_long_insert_is_read_without_its_rows() {
    let rows = vec!["(1, 'VALUES', now() + interval '1 day')"; 50_000].join(",\n");
    let expected = Action::Insert { table: cofferdam_core::Name::qualified("s", "T") };
    let text = format!("INSERT INTO s.\"T\" (a, values, b) VALUES {rows} ON CONFLICT DO NOTHING");
    assert_eq!(action(&text), expected);
    let query = format!("INSERT INTO s.\"T\" SELECT '{}'", "x".repeat(20_000));
    assert_eq!(action(&query), expected);
}
