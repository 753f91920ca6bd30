//! Fixtures: scripts with what is to be known beside them in their first lines.
//!
//! `-- facts: {json}` (as `Facts`, what is left out has its default), `-- created: a, b`, `-- server: 18`,
//! `-- naming: kind pattern`, `-- engine: mysql`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cofferdam_core::facts::{ColumnFacts, ConstraintFacts, IndexFacts, Server, Table};
use cofferdam_core::{Facts, Findings, Name, Script};
use cofferdam_dialects::Parsed;
use cofferdam_dialects::dialect;
use cofferdam_lint::{Convention, Options, fix, lint};
use serde_json::{Map, Value};

/// A script and what is known beside it.
pub(crate) struct Fixture {
    pub(crate) rule: String,
    pub(crate) file: String,
    pub(crate) script: Script,
    pub(crate) facts: Option<Facts>,
    pub(crate) created: BTreeSet<Name>,
    pub(crate) server_major: u32,
    pub(crate) naming: Vec<Convention>,
    pub(crate) engine: String,
}

impl Fixture {
    /// It is there to show that its rule finds something.
    pub(crate) fn hit(&self) -> bool {
        self.file.starts_with("hit")
    }

    pub(crate) fn lint(&self, script: &Script, created: &BTreeSet<Name>) -> Findings {
        let options = Options {
            facts: self.facts.as_ref(),
            created,
            only: &[],
            no_transaction: false,
            today: jiff::civil::date(2026, 11, 21),
            server_major: self.server_major,
            naming: &self.naming,
        };
        lint(script, &self.parsed(script), &options)
    }

    pub(crate) fn parsed(&self, script: &Script) -> Parsed {
        let read = dialect(&self.engine).unwrap_or_else(|| panic!("no engine {}", self.engine)).read;
        read(script).unwrap_or_else(|refusal| panic!("{}: {refusal:?}", script.path))
    }
}

/// The script after all its rewrites, and the statements that moved.
pub(crate) fn fixed(fixture: &Fixture) -> Option<(String, Vec<String>)> {
    let mut script = fixture.script.clone();
    let mut moved = Vec::new();
    // Rewrites that contend for a place are carried out one after the other.
    for _ in 0..4 {
        let Some(step) = fix(&script, &fixture.lint(&script, &fixture.created)) else { break };
        script = Script::new(script.path, step.text);
        moved.extend(step.moved);
    }
    (script.text != fixture.script.text).then_some((script.text.to_string(), moved))
}

/// Statements that moved, as the file that they come to.
pub(crate) fn own_file(moved: &[String]) -> String {
    format!("-- cofferdam:transaction none\n\n{};\n", moved.join(";\n"))
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// All fixtures, by folder and file.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let files = entries(&folder()).into_iter().flat_map(|rule| entries(&rule));
    files.map(|path| load(&path)).collect()
}

fn load(path: &Path) -> Fixture {
    let text = fs::read_to_string(path).unwrap();
    let header = |key: &str| {
        let start = format!("-- {key}:");
        text.lines().find_map(|line| line.strip_prefix(&start).map(|rest| rest.trim().to_owned()))
    };
    let created = header("created").unwrap_or_default();
    let created =
        created.split(',').map(str::trim).filter(|name| !name.is_empty()).map(Name::plain).collect();
    Fixture {
        rule: name_of(path.parent().unwrap()),
        file: name_of(path),
        facts: header("facts").map(|json| facts(&json)),
        created,
        engine: header("engine").unwrap_or_else(|| "postgresql".to_owned()),
        server_major: header("server").map_or(15, |major| major.parse().unwrap()),
        naming: naming(&text),
        script: Script::new(name_of(path), text),
    }
}

fn naming(text: &str) -> Vec<Convention> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("-- naming: ")?.split_once(' '));
    lines
        .map(|(kind, pattern)| Convention::new(kind, pattern, Some("as we agreed".into())).unwrap())
        .collect()
}

/// Facts from JSON in which everything may be left out.
fn facts(json: &str) -> Facts {
    let given: Value = serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {json}"));
    let mut facts = Facts { server: over(Server::default(), &given["server"]), ..Facts::default() };
    if let Some(objects) = given.get("objects") {
        facts.objects = serde_json::from_value(objects.clone()).unwrap();
    }
    if let Some(answers) = given.get("answers") {
        facts.answers = serde_json::from_value(answers.clone()).unwrap();
    }
    for (name, table) in given["tables"].as_object().unwrap_or(&Map::new()) {
        let resolved = match name.split_once('.') {
            Some((schema, name)) => Name::qualified(schema, name),
            None => Name::qualified("public", name.as_str()),
        };
        let known =
            Table { exists: true, kind: "table".into(), resolved: Some(resolved), ..Table::default() };
        let mut plain = table.clone();
        for list in ["columns", "constraints", "indexes"] {
            plain.as_object_mut().unwrap().remove(list);
        }
        let list = |key: &str| table[key].as_array().cloned().unwrap_or_default();
        facts.tables.insert(
            name.clone(),
            Table {
                columns: list("columns").iter().map(|v| over(ColumnFacts::default(), v)).collect(),
                constraints: list("constraints")
                    .iter()
                    .map(|v| over(ConstraintFacts::default(), v))
                    .collect(),
                indexes: list("indexes").iter().map(|v| over(IndexFacts::default(), v)).collect(),
                ..over(known, &plain)
            },
        );
    }
    facts
}

/// `base` with the fields that `given` has.
fn over<T: serde::Serialize + serde::de::DeserializeOwned>(base: T, given: &Value) -> T {
    let mut value = serde_json::to_value(base).unwrap();
    for (key, field) in given.as_object().unwrap_or(&Map::new()) {
        assert!(value.get(key).is_some() || !value.is_object(), "no field {key}");
        value[key] = field.clone();
    }
    serde_json::from_value(value).unwrap()
}
