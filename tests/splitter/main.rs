//! The splitter beside psql: what psql sends for a file, statement by statement, is what ours cuts it into.
//!
//! psql is the real one. At the other end of its connection a recorder writes down every query that it sends, byte
//! for byte, so that no statement has to be one that a server could carry out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod blank;
mod nasty;
mod recorder;

use std::path::{Path, PathBuf};

use cofferdam_core::Script;
use cofferdam_dialects::postgres::split;
use recorder::Sent;

/// Scripts that psql reads otherwise than the server's own grammar does, each with the reason. psql looks at one line
/// at a time and knows no more of the grammar than it needs for most scripts.
const OTHERWISE: &[(&str, &str)] = &[
    (
        "copy_lone_cr.sql",
        "psql ends lines at \\n only, so the rows of a COPY stand on the COPY's own line for it",
    ),
    ("atomic_bodies.sql", "psql takes the names in `AS end` and `t.end` for the END of the body"),
    ("quotes.sql", "psql forgets at the end of a line that the text was an escaped one"),
    ("escaped text continued", "psql forgets at the end of a line that the text was an escaped one"),
];

/// Fails unless both cut alike, or do not and are listed.
fn compare(name: &str, sent: &[Sent], script: &Script) {
    let difference = difference(sent, script);
    match OTHERWISE.iter().find(|(other, _)| *other == name) {
        None => assert!(difference.is_none(), "{}: {}", script.path, difference.unwrap()),
        Some((_, why)) => assert!(difference.is_some(), "{name} is read alike; it was listed because {why}"),
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("sql")) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// How the file that psql was given and our pieces differ; `None`: they do not.
fn difference(sent: &[Sent], script: &Script) -> Option<String> {
    let pieces = split(script).unwrap_or_else(|r| panic!("{}: {r}", script.path));
    let sent: Vec<&Sent> = sent.iter().filter(|s| !blank::all_blank(&s.query)).collect();
    for (number, (psql, ours)) in sent.iter().zip(&pieces).enumerate() {
        if !alike(&psql.query, &ours.text) {
            return Some(format!("statement {number}\npsql: {:?}\nours: {:?}", psql.query, ours.text));
        }
        if psql.rows.as_deref() != ours.copy_rows.as_deref() {
            return Some(format!(
                "rows of statement {number}\npsql: {:?}\nours: {:?}",
                psql.rows, ours.copy_rows
            ));
        }
    }
    (sent.len() != pieces.len()).then(|| {
        let texts: Vec<&str> = pieces.iter().map(|p| p.text.as_str()).collect();
        format!(
            "psql sends {} statements, ours are {}\npsql: {sent:#?}\nours: {texts:#?}",
            sent.len(),
            pieces.len()
        )
    })
}

fn alike(psql: &str, ours: &str) -> bool {
    let whole = |rest: Option<&str>| rest.is_some_and(blank::all_blank);
    let psql = &psql[blank::length(psql)..];
    // psql leaves out lines that are empty, but for those within quotes.
    whole(psql.strip_prefix(ours)) || whole(psql.strip_prefix(without_empty_lines(ours).as_str()))
}

fn without_empty_lines(text: &str) -> String {
    text.split('\n').filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn psql_sends_what_the_splitter_cuts() {
    let mut compared = 0;
    for path in [files("crates/dialects/tests/corpus"), files("tests/fixtures/formats/flyway")].concat() {
        let Ok(text) = String::from_utf8(std::fs::read(&path).unwrap()) else { continue };
        let name = path.file_name().unwrap().to_str().unwrap();
        // What is not UTF-8 or is refused never reaches a server.
        let script = Script::new(path.display().to_string(), text.trim_start_matches('\u{feff}'));
        if split(&script).is_err() {
            assert!(name.starts_with("refused_"), "{name} is not split");
            continue;
        }
        compare(name, &recorder::sent_by_psql(&path), &script);
        compared += 1;
    }
    assert!(compared > 50, "only {compared} files were compared");
}

#[test]
fn psql_sends_the_same_of_nasty_scripts() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in nasty::NASTY {
        let path = folder.path().join("nasty.sql");
        std::fs::write(&path, text).unwrap();
        let script = Script::new(*name, *text);
        compare(name, &recorder::sent_by_psql(&path), &script);
    }
    assert!(nasty::NASTY.len() >= 30);
}
