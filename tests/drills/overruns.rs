//! A migration that takes longer than it may.

use crate::place::{Place, TABLE, WIDER};
use crate::writer::Writer;

#[test]
fn an_online_change_that_overruns_is_taken_back() {
    let place = Place::new("overruns", TABLE);
    let writer = Writer::begin(&place, "");
    let before = place.table();
    // Nobody opens the gate.
    let ended = place.run(&place.alter(WIDER, &["--cutover", "manual", "--max-time", "4s"]));
    assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
    for words in ["CF3002", "maxMigrationTime 4.0 s: the run began", "the old version served again"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert_eq!(place.table(), before);
    writer.nothing_lost(&place);
    place.nothing_left();
    place.bench.assert_sound();
    let journal = "SELECT count(*) FROM cofferdam.journal WHERE entry->>'on' = 'DeadlinePassed'";
    assert_eq!(place.one(journal), "1");
}

#[test]
fn a_statement_that_overruns_is_cancelled() {
    let place = Place::new("overruns_directly", TABLE);
    place.bench.file("V1__x.sql", "CREATE TABLE made (id int);\nSELECT pg_sleep(120);\n");
    let ended = place.run(&["apply", "--max-time", "2s", "--yes"]);
    assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("CF3002"), "{}", ended.stderr);
    assert_eq!(place.one("SELECT to_regclass('made')"), "NULL");
    place.bench.assert_sound();
}

/// The statement is let come to its end, and then nothing of it stays.
#[test]
fn gracefully_the_statement_that_overruns_comes_to_its_end() {
    let place = Place::new("overruns_gracefully", TABLE);
    place.bench.file(
        "V1__x.sql",
        "-- cofferdam:transaction none\nCREATE TABLE made AS SELECT 1 AS one FROM pg_sleep(12);\nCREATE TABLE second (id int);\n",
    );
    // The statement must have begun by then.
    let ended = place.run(&["apply", "--max-time", "6s", "--rollback-how", "graceful", "--yes"]);
    assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
    let ended_steps = "SELECT count(*) FROM cofferdam.journal WHERE entry->>'what' = 'ended' AND entry->>'step' NOT LIKE 'undo%'";
    assert_eq!(place.one(ended_steps), "1", "it was not cancelled");
    assert_eq!(place.one("SELECT to_regclass('made')"), "NULL");
    assert_eq!(place.one("SELECT to_regclass('second')"), "NULL");
    place.bench.assert_sound();
}

#[test]
fn without_automatic_rollback_it_waits_for_a_person() {
    let place = Place::new("overruns_waits", TABLE);
    let writer = Writer::begin(&place, "");
    let ended =
        place.run(&place.alter(WIDER, &["--cutover", "manual", "--max-time", "4s", "--no-auto-rollback"]));
    assert_eq!(ended.code, 7, "{}\n{}", ended.stdout, ended.stderr);
    let run = place.run_id();
    assert!(
        ended.stderr.contains("CF3005") && ended.stderr.contains(&format!("cofferdam rollback {run}")),
        "{}",
        ended.stderr
    );
    // The same command goes on where the limit is wider, and here a person takes it back.
    place.rollback();
    writer.nothing_lost(&place);
    place.nothing_left();
}
