//! How each file in `corpus/` is cut: `NAME.sql` beside `NAME.split`. `UPDATE_CORPUS=1` writes the latter anew.

use std::fmt::Write as _;
use std::path::Path;

use cofferdam_core::Script;
use cofferdam_dialects::mysql;

/// The pieces of a script, or why it is refused, as the files `.split` say it.
fn cut(script: &Script) -> String {
    let mut text = String::new();
    match mysql::split(script) {
        Err(refusal) => {
            let at = refusal.place.as_ref().unwrap().at;
            let opened = &script.text[at.start..at.end];
            let what = &refusal.what;
            writeln!(text, "refused {} at {}:{} {opened:?}: {what}", refusal.code.id(), at.line, at.column)
                .unwrap();
            writeln!(text, "  cause: {}\n  help: {}", refusal.cause.unwrap(), refusal.help.unwrap()).unwrap();
        }
        Ok(pieces) => {
            for piece in pieces {
                for (line, comment) in &piece.comments {
                    writeln!(text, "comment at {line} {comment:?}").unwrap();
                }
                let at = piece.at;
                assert_eq!(&script.text[at.start..at.end], piece.text);
                writeln!(text, "statement at {}:{} {:?}", at.line, at.column, piece.text).unwrap();
            }
        }
    }
    text
}

#[test]
fn the_corpus_is_cut_as_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mysql/corpus");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "sql"));
    files.sort();
    assert!(files.len() >= 30, "{}", files.len());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let script = Script::new(name, String::from_utf8(std::fs::read(&file).unwrap()).unwrap());
        let cut = cut(&script);
        assert_eq!(cut.starts_with("refused"), name.starts_with("refused"), "{name}: {cut}");
        let golden = file.with_extension("split");
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            std::fs::write(&golden, &cut).unwrap();
        }
        assert_eq!(cut, std::fs::read_to_string(&golden).unwrap_or_default(), "{name}");
    }
}

#[test]
fn directives_are_read_in_every_kind_of_comment() {
    let text = "-- cofferdam:transaction none\n\n# cofferdam:allow drop-table reason=\"x\"\nDROP TABLE a;\nDELIMITER //\n\
                /* cofferdam:allow truncate reason=\"y\" */\nTRUNCATE b//\n";
    let parsed = mysql::read_mysql(&Script::new("x.sql", text)).unwrap();
    assert!(parsed.directives.transaction_none);
    let rules: Vec<&str> = parsed.directives.allows.iter().map(|a| a.rule.as_str()).collect();
    assert_eq!(rules, ["drop-table", "truncate"]);
    assert_eq!(parsed.changes.len(), 2);
    let wrong = "# cofferdam:alow x\nSELECT 1;";
    assert!(mysql::read_mysql(&Script::new("x.sql", wrong)).is_err());
}
