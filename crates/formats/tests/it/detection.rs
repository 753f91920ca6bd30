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
    for (id, help) in [("flywy", "did you mean --format flyway?"), ("liquibase", "leave --format out, ")] {
        let refusal = read(&both, Some(id)).unwrap_err();
        assert_eq!(refusal.code, Code::UnknownFormat);
        assert!(refusal.help.unwrap().starts_with(help), "{id}");
    }
}

#[test]
fn directories_of_tools_that_are_not_read_are_named_with_what_to_do() {
    for (files, tool) in [
        ([("x/migration.sql", "SELECT 1;"), ("migration_lock.toml", "")], "Prisma"),
        ([("20240101_x/migration.sql", "SELECT 1;"), ("20240101_x/snapshot.json", "{}")], "Drizzle 1.0"),
        ([("changelog.sql", "--liquibase formatted sql"), ("b", "")], "Liquibase"),
        ([("changelog.xml", "<databaseChangeLog>"), ("b", "")], "Liquibase"),
        ([("aaaa_x.py", "revision = 'a'\ndown_revision = None\n"), ("env.py", "")], "Alembic"),
        ([("20240101000000_a.rb", "class A < ActiveRecord::Migration[7.1]"), ("b", "")], "Rails"),
        (
            [("20240101000000-a.js", "module.exports = { async up(db) {}, async down(db) {} }"), ("b", "")],
            "migrate-mongo",
        ),
        ([("1_a.go", "func init() { goose.AddMigrationContext(up, down) }"), ("b", "")], "goose"),
        // Beside files whose names only miss those of a format.
        ([("001_a.sql", "SELECT 1;"), ("migration_lock.toml", "")], "Prisma"),
    ] {
        let refusal = read(&with(&files), None).unwrap_err();
        assert_eq!(refusal.code, Code::ToolNotRead, "{tool}");
        assert!(
            refusal.what.starts_with(&format!("db is a directory of {tool}: it has ")),
            "{}",
            refusal.what
        );
        assert!(refusal.cause.is_some() && refusal.help.is_some());
    }
    let alembic = read(&crate::fixtures::tree("alembic"), None).unwrap_err();
    assert!(alembic.help.unwrap().contains("signal {table: alembic_version, column: version_num}"));
    // A directory that is read may hold something of another tool beside it.
    let beside = with(&[("V1__a.sql", "SELECT 1;"), ("migration_lock.toml", "")]);
    assert_eq!(read(&beside, None).unwrap().format, "flyway");
    let named = read(&with(&[("x/migration.sql", "SELECT 1;")]), Some("plain")).unwrap_err();
    assert!(named.notes.iter().any(|note| note.contains("is a directory of Prisma")), "{named:?}");
}
