//! What every refusal must be.

use std::process::Command;

use cofferdam_core::Code;
use serde_json::Value;

use crate::support::{Bench, Ended, ended, program};

/// What a refusal is expected to say.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) code: Code,
    /// The end of the path, line and column.
    pub(crate) place: Option<(&'static str, usize, usize)>,
    /// Words that must be there.
    pub(crate) says: &'static [&'static str],
}

impl Expected {
    pub(crate) const fn new(code: Code, says: &'static [&'static str]) -> Self {
        Self { code, place: None, says }
    }

    pub(crate) const fn at(self, file: &'static str, line: usize, column: usize) -> Self {
        Self { place: Some((file, line, column)), ..self }
    }
}

/// Runs the command for people and for programs, looks at both, and sees that the database did not change.
#[track_caller]
pub(crate) fn refused(bench: &Bench, arguments: &[&str], expected: &Expected) {
    let before = everything(bench);
    said(&|| bench.command(arguments), expected);
    assert!(everything(bench) == before, "{arguments:?} changed the database");
}

/// As [`refused`], for a command of which the database is not the bench's.
#[track_caller]
pub(crate) fn said(command: &dyn Fn() -> Command, expected: &Expected) {
    for_people(&ended(&mut command()), expected);
    for_programs(&ended(command().args(["-o", "json"])), expected);
}

#[track_caller]
fn for_people(ended: &Ended, expected: &Expected) {
    let Expected { code, place, says } = expected;
    let said = &ended.stderr;
    assert_eq!(ended.code, i32::from(code.exit()), "{said}\n{}", ended.stdout);
    assert!(said.contains(&format!("error[{}]: ", code.id())), "the code is not {}: {said}", code.id());
    assert!(said.contains("help: "), "there is no next command: {said}");
    assert_eq!(ended.stdout, "", "a refusal is no result");
    for words in *says {
        assert!(said.contains(words), "it does not say {words:?}: {said}");
    }
    if let Some((file, line, column)) = place {
        let place = format!("{file}:{line}:{column}");
        assert!(said.contains(&place), "it is not at {place}: {said}");
    }
}

#[track_caller]
fn for_programs(ended: &Ended, expected: &Expected) {
    let code = expected.code;
    assert_eq!(ended.code, i32::from(code.exit()), "{}\n{}", ended.stderr, ended.stdout);
    let document = document(&ended.stdout);
    assert_eq!(document["apiVersion"], "cofferdam.dev/v1", "{document}");
    assert_eq!(document["kind"], "Error", "{document}");
    assert_eq!(document["code"], code.id(), "{document}");
    assert_eq!(document["exitCode"], code.exit(), "{document}");
    for field in ["what", "help"] {
        assert!(document[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {document}");
    }
    if let Some((file, line, column)) = expected.place {
        let place = &document["place"];
        assert!(place["path"].as_str().is_some_and(|path| path.ends_with(file)), "{document}");
        assert_eq!((&place["line"], &place["column"]), (&line.into(), &column.into()), "{document}");
    }
}

/// stdout is one document and nothing else.
#[track_caller]
pub(crate) fn document(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("not one JSON document ({error}):\n{stdout}"))
}

/// The application's schema and rows, and what counts as applied.
pub(crate) fn everything(bench: &Bench) -> String {
    let output = Command::new(program("pg_dump")).args(["-N", "cofferdam", &bench.url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut text = String::from_utf8(output.stdout).unwrap();
    text = text.lines().filter(|l| !l.contains("restrict ")).collect::<Vec<_>>().join("\n");
    if bench.one("SELECT to_regclass('cofferdam.history') IS NOT NULL") == "t" {
        text += &format!("{:?}", bench.query("SELECT history::text FROM cofferdam.history ORDER BY rank"));
    } else {
        text += &bench.one("SELECT count(*) FROM pg_namespace WHERE nspname = 'cofferdam'");
    }
    text
}
