//! What each statement is read as: the files in `statements/`, with the result beside each in `snapshots/`.

use cofferdam_core::{Action, Script};
use cofferdam_dialects::postgres;
use regex::Regex;

/// The debug form of an action without what is not there: `false`, `None` and `[]`.
fn compact(text: &str) -> String {
    let mut text = text.to_owned();
    let rules = [
        (r#"Name \{ schema: None, name: "((?:[^"\\]|\\.)*)" \}"#, "<$1>"),
        (r#"Name \{ schema: Some\("((?:[^"\\]|\\.)*)"\), name: "((?:[^"\\]|\\.)*)" \}"#, "<$1 . $2>"),
        (r"\b\w+: (?:false|None|\[\]), ", ""),
        (r"(?:, |\b)\w+: (?:false|None|\[\]) \}", " }"),
    ];
    for (pattern, by) in rules {
        text = Regex::new(pattern).unwrap().replace_all(&text, by).into_owned();
    }
    text
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
