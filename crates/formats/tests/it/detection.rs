//! Which format a directory has.

use cofferdam_core::Code;
use cofferdam_formats::read;

use crate::fixtures::{named, with};

#[test]
fn the_names_decide() {
    for (files, format) in [
        (&["V1__a.sql"][..], "flyway"),
        (&["R__view.sql"], "flyway"),
        (&["sub/V1__a.sql", "001_a.sql"], "flyway"),
        (&["V1__a.sql", "old/001_a.up.sql"], "flyway"),
        (&["001_a.up.sql"], "plain"),
        (&["20260131120000_a.up.sql", "afterMigrate.sql"], "plain"),
        (&["1_a.up.sql", "README.md", "X1__a.sql"], "plain"),
    ] {
        assert_eq!(read(&named(files), None).unwrap().format, format, "{files:?}");
    }
}

#[test]
fn what_does_not_decide_is_refused() {
    for (files, code, part) in [
        (&["V1__a.sql", "001_a.up.sql"][..], Code::UnknownFormat, "more than one format: flyway and plain"),
        (&["a.sql", "b.sql"], Code::UnknownFormat, "no file has the name of a migration: a.sql, b.sql"),
        (&["a.sql", "b.sql", "c.sql", "d.sql"], Code::UnknownFormat, "a.sql, b.sql, c.sql, ..."),
        (&["README.md"], Code::EmptyDirectory, "one file, and that is not .sql"),
        (&["V1_a.sql"], Code::EmptyDirectory, "V1_a.sql: one underscore; write V1__a.sql"),
        (&["001_a.sql"], Code::EmptyDirectory, "db/001_a.sql: it does not say whether it goes up or down"),
        (
            &["sub/001_a.up.sql"],
            Code::EmptyDirectory,
            "only the top level is read; to read this one: --dir db/sub",
        ),
        (&["V1_a.sql", "001_a.sql"], Code::UnknownFormat, "the format of db is not recognised"),
    ] {
        let refusal = read(&named(files), None).unwrap_err();
        assert_eq!(refusal.code, code, "{files:?}");
        let shown = format!("{refusal} {:?}", refusal.notes);
        assert!(shown.contains(part), "{files:?}: {shown}");
        assert!(refusal.help.is_some());
    }
}

#[test]
fn a_format_can_be_named_and_a_wrong_name_is_corrected() {
    let both = named(&["V1__a.sql", "001_a.up.sql"]);
    for (id, other) in [("flyway", "db/001_a.up.sql"), ("plain", "db/V1__a.sql")] {
        let bundle = read(&both, Some(id)).unwrap();
        assert_eq!((bundle.format, bundle.skipped.len()), (id, 1));
        assert_eq!(bundle.skipped[0].0, other);
    }
    for (id, help) in [("flywy", "did you mean --format flyway?"), ("atlas", "leave --format out, ")] {
        let refusal = read(&both, Some(id)).unwrap_err();
        assert_eq!(refusal.code, Code::UnknownFormat);
        assert!(refusal.help.unwrap().starts_with(help), "{id}");
    }
}

#[test]
fn directories_of_other_tools_are_named() {
    for (files, tool) in [
        ([("20240101_a.sql", "SELECT 1;"), ("atlas.sum", "h1:x")], "Atlas"),
        ([("0000_init.sql", "SELECT 1;"), ("meta/_journal.json", "{}")], "Drizzle"),
        ([("00001_a.sql", "-- +goose Up\nSELECT 1;"), ("b", "")], "goose"),
        ([("20240101_a.sql", "-- migrate:up\nSELECT 1;"), ("b", "")], "dbmate"),
        ([("x/migration.sql", "SELECT 1;"), ("migration_lock.toml", "")], "Prisma"),
        ([("changelog.sql", "--liquibase formatted sql"), ("b", "")], "Liquibase"),
    ] {
        let refusal = read(&with(&files), None).unwrap_err();
        assert!(refusal.notes.iter().any(|note| note.contains(&format!("one of {tool}, "))), "{refusal:?}");
    }
}
