//! How each tool wants its files, and what it says when all is well.

pub(crate) mod atlas;
pub(crate) mod dbmate;
pub(crate) mod drizzle;
pub(crate) mod flyway;
pub(crate) mod golang_migrate;
pub(crate) mod goose;
pub(crate) mod sqlx;

use crate::migrations::Migration;
use crate::site::Site;
use crate::support::Ended;

/// A tool that keeps a history.
pub(crate) struct Tool {
    /// As Cofferdam calls it.
    pub(crate) name: &'static str,
    /// The variable that names its program.
    pub(crate) variable: &'static str,
    /// What Cofferdam is told where the directory and the database do not show whose they are.
    pub(crate) named: &'static [&'static str],
    /// Its table.
    pub(crate) table: &'static str,
    /// A query for what is in the table and depends on the migrations alone.
    pub(crate) rows: &'static str,
    /// The name of the file that a migration's change is in.
    pub(crate) file: fn(&Migration) -> String,
    /// Writes the directory, with what the tool wants beside the files.
    pub(crate) write: fn(&Site, &[Migration]),
    /// Applies all that is pending.
    pub(crate) apply: fn(&Site) -> Ended,
    /// Holds what the tool says of itself against how many are applied and pending: what is different.
    pub(crate) agrees: fn(&Site, usize, usize) -> Result<(), String>,
    /// Takes the last one back, where the tool can.
    pub(crate) back: Option<fn(&Site) -> Ended>,
    /// A file whose statement runs outside of a transaction, with flags that the tool needs for it.
    pub(crate) outside: Option<Outside>,
    /// The tool keeps a checksum of each file and holds the file against it. Makes the tool look: 0 is for well.
    pub(crate) checks: Option<fn(&Site) -> Ended>,
}

/// How a tool runs one statement outside of a transaction.
pub(crate) struct Outside {
    /// The file with the statement and the one that takes it back, each with its semicolon.
    pub(crate) text: fn(&str, &str) -> String,
    /// Applies what is pending, if that is another command than usual.
    pub(crate) apply: Option<fn(&Site) -> Ended>,
}

/// A statement that says nothing about itself.
pub(crate) fn plainly(up: &str, _: &str) -> String {
    up.to_owned()
}

/// Every tool.
pub(crate) static TOOLS: &[&Tool] = &[
    &flyway::TOOL,
    &atlas::TOOL,
    &golang_migrate::TOOL,
    &goose::TOOL,
    &dbmate::TOOL,
    &sqlx::TOOL,
    &drizzle::TOOL,
];

/// Writes one file for each migration.
pub(crate) fn each_file(site: &Site, migrations: &[Migration], text: fn(&Migration) -> String) {
    for migration in migrations {
        site.bench().file(&(site.tool.file)(migration), &text(migration));
    }
}

/// Compares numbers, for an answer.
pub(crate) fn expect(
    what: &str,
    said: impl PartialEq + std::fmt::Debug,
    expected: impl std::fmt::Debug,
) -> Result<(), String> {
    let (said, expected) = (format!("{said:?}"), format!("{expected:?}"));
    if said == expected { Ok(()) } else { Err(format!("{what}: it says {said}, expected {expected}")) }
}

/// What a command said must be with exit code 0.
pub(crate) fn well(ended: &Ended) -> Result<(), String> {
    match ended.code {
        0 => Ok(()),
        code => Err(format!("it ended with {code}\n{}\n{}", ended.stdout, ended.stderr)),
    }
}

/// A tool that Cofferdam keeps the history of and that is not asked here would be a promise without proof.
#[test]
fn every_history_that_is_kept_has_its_tool() {
    let kept: Vec<&str> =
        cofferdam_formats::HISTORIES.iter().map(|codec| codec.id).filter(|id| *id != "own").collect();
    for id in &kept {
        assert!(TOOLS.iter().any(|tool| tool.name == *id), "{id}");
    }
    assert_eq!(kept.len(), TOOLS.len());
}
