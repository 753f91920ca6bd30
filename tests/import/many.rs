//! Long histories.

use crate::support::Bench;
use crate::tool::{FLYWAY, GOOSE, MIGRATE, document, rows};

const MANY: usize = 2000;

#[test]
fn thousands_of_rows_are_taken_over_at_once() {
    let bench = Bench::new("many");
    for number in 1..=MANY {
        bench.file(&format!("{number:05}_x.sql"), "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n");
    }
    bench.query(GOOSE);
    bench.query("INSERT INTO goose_db_version (version_id, is_applied) SELECT n, true FROM generate_series(1, 1999) n");
    let taken = document(&bench.must(&["import", "-o", "json"]).stdout);
    assert_eq!(taken["missingHere"].as_array().map(Vec::len), Some(1999));
    assert_eq!(bench.one("SELECT count(*) FROM cofferdam.history"), "1999");
    assert_eq!(bench.one("SELECT bundle->'down'->>'path' IS NOT NULL FROM cofferdam.history LIMIT 1"), "t");
    assert_eq!(bench.one("SELECT count(*) FROM cofferdam.journal"), "1", "one row for all of it");
    bench.must(&["apply"]);
    assert_eq!(bench.one("SELECT max(version_id) FROM goose_db_version"), "2000");
    bench.assert_sound();
}

/// A table that was emptied gets all rows back, in their order, in one transaction.
#[test]
fn thousands_of_rows_are_written_for_a_tool_at_once() {
    let bench = Bench::new("told_goose");
    for number in 1..=MANY {
        bench.file(&format!("{number:05}_x.sql"), "-- +goose Up\nSELECT 1;\n");
    }
    let of_goose = "FROM goose_db_version WHERE version_id > 0";
    bench.query(GOOSE);
    bench.query(&format!(
        "INSERT INTO goose_db_version (version_id, is_applied) SELECT n, true FROM generate_series(1, {MANY}) n"
    ));
    bench.must(&["import"]);
    bench.query(&format!("DELETE {of_goose}"));
    let asked = bench.run(&["import", "-o", "json"]);
    assert_eq!(
        (asked.code, document(&asked.stdout)["missingThere"].as_array().map(Vec::len)),
        (9, Some(MANY))
    );
    bench.must(&["import", "--believe", "own"]);
    let ordered = format!("SELECT count(*), max(id) - min(id), bool_and(is_applied AND version_id = nth), count(DISTINCT xmin::text)
        FROM (SELECT *, xmin, row_number() OVER (ORDER BY id) AS nth {of_goose}) told");
    assert_eq!(rows(&bench, &ordered), [format!("{MANY} {} t 1", MANY - 1)]);
    let note = "SELECT entry->>'text' FROM cofferdam.journal ORDER BY seq DESC LIMIT 1";
    let told = format!("written into public.goose_db_version of goose: 00001 to 0{MANY}, {MANY} in all");
    assert_eq!(bench.one(note), told);
    bench.must(&["import"]);
    bench.assert_sound();

    let bench = Bench::new("told_migrate");
    for number in 1..=MANY {
        bench.file(&format!("{number}_x.up.sql"), "SELECT 1;\n");
    }
    bench.query(&format!("{MIGRATE}; INSERT INTO schema_migrations VALUES ({MANY}, false)"));
    bench.must(&["import"]);
    bench.query("DELETE FROM schema_migrations");
    bench.must(&["import", "--believe", "own"]);
    assert_eq!(rows(&bench, "SELECT version, dirty FROM schema_migrations"), [format!("{MANY} f")]);
    bench.assert_sound();
}

/// Ranks are counted on, checksums are set again, and what is believed of the tool is marked, each in one transaction.
#[test]
fn thousands_of_rows_that_differ_are_made_alike_at_once() {
    let bench = Bench::new("alike");
    for number in 1..=MANY {
        bench.file(&format!("V{number}__x.sql"), "SELECT 1;\n");
    }
    bench.query(FLYWAY);
    bench.query(&format!(
        "INSERT INTO flyway_schema_history SELECT n, n, 'x', 'SQL', 'V' || n || '__x.sql', {SELECT_1}, 'x', now(), 1, true
         FROM generate_series(1, {MANY}) n"
    ));
    bench.must(&["import"]);
    bench.query("DELETE FROM flyway_schema_history WHERE installed_rank > 1");
    bench.must(&["import", "--believe", "own"]);
    let whole = format!(
        "SELECT count(*), bool_and(version::int = installed_rank AND checksum = {SELECT_1}
        AND script = 'V' || version || '__x.sql') FROM flyway_schema_history"
    );
    assert_eq!(rows(&bench, &whole), [format!("{MANY} t")]);
    bench.query("UPDATE flyway_schema_history SET checksum = installed_rank");
    bench.must(&["import", "--believe", "own"]);
    assert_eq!(rows(&bench, &whole), [format!("{MANY} t")]);
    assert_eq!(bench.one("SELECT count(DISTINCT xmin::text) FROM flyway_schema_history"), "1");
    // The other way round: the tool's word counts for all of them.
    bench.query("UPDATE flyway_schema_history SET checksum = installed_rank");
    assert_ne!(bench.run(&["import", "--believe", "tool"]).code, 0, "the files are others then");
    let ours =
        "SELECT count(*), bool_and(checksum = rank::text), count(DISTINCT xmin::text) FROM cofferdam.history";
    assert_eq!(rows(&bench, ours), [format!("{MANY} t 1")]);
    bench.query("DELETE FROM flyway_schema_history WHERE installed_rank > 10");
    bench.run(&["import", "--believe", "tool"]);
    assert_eq!(bench.one("SELECT count(*) FROM cofferdam.history WHERE undone_at IS NULL"), "10");
    bench.assert_sound();
}

/// Flyway's checksum of the file.
const SELECT_1: i32 = 78_787_420;
