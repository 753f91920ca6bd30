//! A migration that spoils data.

use crate::place::{Held, Place, TABLE, WIDER};
use crate::support::ended;
use crate::writer::Writer;

/// A mistake of ours that the comparison finds before the swap.
#[test]
fn a_copy_that_spoils_values_is_never_swapped() {
    let place = Place::new("corrupts", TABLE);
    let writer = Writer::begin(&place, "");
    let before = place.table();
    let mut command = place.bench.command(&place.alter(WIDER, &["--max-downtime", "5s", "--bake", "5s"]));
    command.env("COFFERDAM_PLANTED", "unpaced,truncated-value");
    let done = ended(&mut command);
    assert_eq!(done.code, 6, "{}\n{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("CF2603"), "{}", done.stderr);
    assert_eq!(place.table(), before);
    writer.nothing_lost(&place);
    place.nothing_left();
}

/// A mistake of the migration's author that no comparison can know of: a query of the application's does.
#[test]
fn values_that_break_a_check_after_the_swap_are_taken_back() {
    let place = Place::new("corrupts_later", TABLE);
    let writer = Writer::begin(&place, "");
    let check = "SELECT id, note FROM t WHERE id < 1000 AND note NOT LIKE 'note %'";
    let clauses = "ALTER COLUMN note TYPE varchar(60) USING regexp_replace(note, '^note 50$', 'spoiled')";
    let ended = place.run(&place.alter(clauses, &["--bake", "120s", "--post-check", check]));
    assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
    for words in ["CF3004", "must return no row and returned 500 | spoiled", "the old version served again"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert_eq!(place.one("SELECT note FROM t WHERE id = 500"), "note 50");
    writer.nothing_lost(&place);
    place.nothing_left();
    place.bench.assert_sound();
}

/// Written by the application while it is watched, and kept when the tables are swapped back.
#[test]
fn what_is_written_while_it_is_watched_is_kept() {
    let place = Place::new("corrupts_kept", TABLE);
    let check = "SELECT 1 FROM t WHERE note = 'the check breaks'";
    let mut held: Held = place.start(&place.alter(WIDER, &["--bake", "120s", "--post-check", check]));
    held.until("it is swapped", || {
        place.one("SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'id'")
            == "bigint"
    });
    place.query(
        "INSERT INTO t (id, note) VALUES (7, 'since'); UPDATE t SET note = 'the check breaks' WHERE id = 20",
    );
    let done = held.end();
    assert_eq!(done.code, 6, "{}\n{}", done.stdout, done.stderr);
    assert_eq!(place.one("SELECT note FROM t WHERE id = 7"), "since");
    assert_eq!(place.one("SELECT note FROM t WHERE id = 20"), "the check breaks");
    assert_eq!(place.one("SELECT pg_typeof(id) FROM t LIMIT 1"), "integer");
    place.nothing_left();
}
