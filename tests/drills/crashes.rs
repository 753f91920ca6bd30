//! The process dies between the finding and the way back, and in it.

use std::time::Duration;

use crate::place::{Place, TABLE, WIDER};
use crate::support::ended;
use crate::writer::Writer;

/// Whoever comes next takes the run back, also with other limits than it was begun with.
#[test]
fn what_was_found_is_not_forgotten() {
    for failpoint in ["guard.found", "undo.begun", "undo.before-end"] {
        let place = Place::new("crashes", TABLE);
        let writer = Writer::begin(&place, "");
        let mut command =
            place.bench.command(&place.alter(WIDER, &["--cutover", "manual", "--max-time", "6s"]));
        command.env("COFFERDAM_FAILPOINT", format!("{failpoint}=kill"));
        let died = ended(&mut command);
        assert!(!matches!(died.code, 0 | 6), "{failpoint}: {}", died.stderr);
        let next = place.run(&place.alter(WIDER, &["--cutover", "manual"]));
        // A run that is in RollingBack already is only brought to its end.
        let expected = if failpoint == "guard.found" { 6 } else { 0 };
        assert_eq!(next.code, expected, "{failpoint}: {}", next.stderr);
        writer.nothing_lost(&place);
        place.nothing_left();
        place.bench.assert_sound();
    }
}

/// The same after the swap: writes since are kept.
#[test]
fn what_was_found_after_the_swap_is_not_forgotten() {
    let place = Place::new("crashes_swapped", TABLE);
    let writer = Writer::begin(&place, "");
    let check = "SELECT 1 WHERE pg_typeof((SELECT id FROM t LIMIT 1)) = 'bigint'::regtype";
    let arguments = place.alter(WIDER, &["--bake", "120s", "--post-check", check]);
    let mut command = place.bench.command(&arguments);
    command.env("COFFERDAM_FAILPOINT", "guard.found=kill");
    ended(&mut command);
    assert_eq!(place.one("SELECT pg_typeof(id) FROM t LIMIT 1"), "bigint", "it is swapped");
    let next = place.run(&place.alter(WIDER, &[]));
    assert_eq!(next.code, 6, "{}", next.stderr);
    assert!(next.stderr.contains("CF3004"), "{}", next.stderr);
    writer.nothing_lost(&place);
    place.nothing_left();
}

/// The time counts from the first beginning.
#[test]
fn a_run_that_goes_on_has_no_more_time_than_it_had() {
    let place = Place::new("crashes_late", TABLE);
    place.at_gate(WIDER, &["--max-time", "1h"]).kill();
    std::thread::sleep(Duration::from_secs(2));
    let next = place.run(&place.alter(WIDER, &["--cutover", "manual", "--max-time", "2s"]));
    assert_eq!(next.code, 6, "{}", next.stderr);
    assert!(next.stderr.contains("CF3002"), "{}", next.stderr);
    place.nothing_left();
}
