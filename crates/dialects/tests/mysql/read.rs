//! What each statement is read as: the files in `statements/`, with the result beside each in `snapshots/`. A file whose name
//! begins with `mariadb_` is read as MariaDB's, all others as MySQL's.

use std::sync::LazyLock;

use cofferdam_core::{Action, Script, TableChange};
use cofferdam_dialects::mysql::{self, Flavour};
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

fn files() -> Vec<std::path::PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mysql/statements");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn statements_are_read_as_reviewed() {
    let mut count = 0;
    for file in files() {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let script = Script::new(name, std::fs::read_to_string(&file).unwrap());
        let mariadb = name.starts_with("mariadb_");
        let read = if mariadb { mysql::read_mariadb } else { mysql::read_mysql };
        let flavour = if mariadb { Flavour::MariaDb } else { Flavour::MySql };
        let parsed = read(&script).unwrap();
        count += parsed.changes.len();
        let lines =
            parsed.changes.iter().map(|c| format!("{}\n  {}", c.text, compact(&format!("{:?}", c.action))));
        insta::assert_snapshot!(name, lines.collect::<Vec<_>>().join("\n"));
        for change in &parsed.changes {
            let unknown = matches!(change.action, Action::Unparsed { .. });
            assert_eq!(unknown, name.ends_with("unparsed"), "{}: {:?}", change.text, change.action);
            // Each clause has its place in the text.
            let Action::AlterTable { changes, .. } = &change.action else { continue };
            let Some(places) = mysql::clauses(&change.text, flavour) else { continue };
            assert_eq!(places.len(), changes.len(), "{}", change.text);
            for (place, change_read) in places.iter().zip(changes) {
                let text = &change.text[place.clone()];
                assert!(!text.is_empty() && text.trim() == text, "{}: {text:?}", change.text);
                if let TableChange::Other { text: other } = change_read {
                    assert!(text == other || other == "ADD PERIOD", "{text}: {other}");
                }
            }
        }
    }
    assert!(count >= 250, "{count}");
}

fn action(text: &str) -> Action {
    let parsed = mysql::read_mysql(&Script::new("x.sql", text)).unwrap();
    assert_eq!(parsed.changes.len(), 1, "{text}");
    parsed.changes[0].action.clone()
}

#[test]
fn nothing_is_too_deep_or_too_long() {
    let deep = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(action(&format!("SELECT {}", deep(100_000))), Action::Select);
    assert!(matches!(
        action(&format!("ALTER TABLE t ADD COLUMN a INT DEFAULT {}", deep(100_000))),
        Action::AlterTable { .. }
    ));
    assert_eq!(action(&format!("{}SELECT 1", "SET STATEMENT a=1 FOR ".repeat(20_000))), Action::Select);
    assert_eq!(action(&format!("SELECT 1 {} 2", "/*! + */".repeat(20_000))), Action::Select);
    let columns: Vec<_> = (0..4000).map(|i| format!("ADD COLUMN c{i} INT")).collect();
    let Action::AlterTable { changes, .. } = action(&format!("ALTER TABLE t {}", columns.join(", "))) else {
        panic!("it is an ALTER TABLE");
    };
    assert_eq!(changes.len(), 4000);
}

#[test]
fn comments_for_some_versions_decide_nothing_silently() {
    let Action::Unparsed { why } = action("ALTER TABLE t ADD COLUMN a INT /*!80023 , DROP COLUMN b */")
    else {
        panic!("which clauses there are depends on the version");
    };
    assert!(why.contains("/*!80023"), "{why}");
    // Whatever the version, it is the same.
    assert_eq!(action("SELECT 1 /*!80023 , 2 */"), Action::Select);
    assert!(matches!(action("CREATE TABLE t (a INT /*!80023 INVISIBLE */)"), Action::CreateTable(_)));
    assert_eq!(action("/*M!100100 DROP TABLE t */"), Action::Other { kind: "NOTHING ON THIS SERVER".into() });
}

#[test]
fn settings_of_the_session_are_told() {
    let told = |text: &str| mysql::assignments(text, Flavour::MySql);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        told("SET @a = 1, SESSION Foreign_Key_Checks = 0, @@sql_mode='', GLOBAL x = 5, @@global.y = 6"),
        [pair("@a", "1"), pair("foreign_key_checks", "0"), pair("sql_mode", "''")]
    );
    assert!(told("SELECT 1").is_empty());
}
