//! Applying in turns.

use crate::migrations::{ALL, HALF, MOST};
use crate::site::{Site, with_every_tool, with_those};
use crate::tools::{atlas, well};

/// The tool comes first and last, Cofferdam between.
#[test]
fn a_tool_begins_cofferdam_goes_on_and_the_tool_goes_on_from_there() {
    with_every_tool("turns", turns);
}

pub(crate) fn turns(site: &Site) {
    site.write(HALF).applies().agrees(HALF, 0);
    let by_the_tool = site.rows_whole();
    site.write(MOST).agrees(HALF, MOST - HALF);

    site.ours_must(&["apply", "--yes"]);
    site.we_agree().agrees(MOST, 0);
    // A tool that keeps one row has moved it.
    if site.tool.name != "golang-migrate" {
        let now = site.rows_whole();
        assert!(by_the_tool.iter().all(|row| now.contains(row)), "{by_the_tool:#?} {now:#?}");
    }

    site.write(ALL).agrees(MOST, 1).applies().agrees(ALL, 0);
    site.we_agree().assert_as_by_the_tool_alone(ALL);
}

/// The tool has never been there.
#[test]
fn cofferdam_applies_all_and_the_tool_has_nothing_to_do_and_goes_on() {
    with_every_tool("all", all);
}

pub(crate) fn all(site: &Site) {
    let kept = ["apply", "--yes", "--history", "both", "--tool", site.tool.name];
    site.write(MOST).ours_must(&kept);
    site.we_agree().agrees(MOST, 0);
    let before = site.rows_whole();
    site.applies().agrees(MOST, 0);
    assert_eq!(site.rows_whole(), before, "{} had nothing to do", site.tool.name);
    site.assert_as_by_the_tool_alone(MOST);

    site.write(ALL).agrees(MOST, 1).applies().agrees(ALL, 0);
    site.we_agree().assert_as_by_the_tool_alone(ALL);
}

/// A statement that no transaction takes, in each tool's own way of saying it.
#[test]
fn an_index_is_built_concurrently_by_either() {
    with_those("outside of a transaction", |tool| tool.outside.is_some(), outside_of_a_transaction);
}

pub(crate) fn outside_of_a_transaction(site: &Site) {
    let (up, down) = match site.kind() {
        None => {
            ("CREATE INDEX CONCURRENTLY loans_book ON loans (book);", "DROP INDEX CONCURRENTLY loans_book;")
        }
        Some(_) => ("CREATE INDEX loans_book ON loans (book);", "DROP INDEX loans_book ON loans;"),
    };
    let outside = site.tool.outside.as_ref().unwrap();
    site.write(MOST).applies();
    let write = |site: &Site| {
        site.write(ALL);
        std::fs::write(site.path(ALL), (outside.text)(up, down)).unwrap();
        if site.tool.name == "atlas" {
            atlas::hash(site);
        }
    };
    write(site);
    site.ours_must(&["apply", "--yes"]);
    site.we_agree().agrees(ALL, 0);

    let alone = site.another("outside of a transaction");
    write(&alone);
    well(&outside.apply.unwrap_or(site.tool.apply)(&alone)).unwrap();
    assert_eq!(site.rows(), alone.rows());
    assert_eq!(site.dump(), alone.dump());
}

/// The judges are no friends: with one row less, or one that nobody wrote, they do not agree.
#[test]
fn a_tool_can_disagree() {
    with_every_tool("can disagree", can_disagree);
}

pub(crate) fn can_disagree(site: &Site) {
    site.write(MOST).applies().agrees(MOST, 0);
    let table = site.table();
    let last = match site.tool.name {
        "flyway" => "DELETE FROM flyway_schema_history WHERE version = '4'".to_owned(),
        "golang-migrate" => "UPDATE schema_migrations SET version = 3".to_owned(),
        "goose" => "DELETE FROM goose_db_version WHERE version_id = 4".to_owned(),
        "drizzle" => {
            format!("DELETE FROM {table} WHERE created_at = (SELECT max(created_at) FROM {table})")
        }
        // MySQL lets no statement read the table that it deletes from.
        _ => {
            let last = site.one(&format!("SELECT max(CAST(version AS char(20))) FROM {table}"));
            format!("DELETE FROM {table} WHERE CAST(version AS char(20)) = '{last}'")
        }
    };
    site.query(&last);
    let why = (site.tool.agrees)(site, MOST, 0);
    assert!(why.is_err(), "{} says that {MOST} are applied", site.tool.name);
    site.agrees(MOST - 1, 1);
}
