//! A migration that keeps the application from its table.

use crate::place::{Place, TABLE};
use crate::writer::Writer;

#[test]
fn a_migration_that_blocks_for_too_long_is_taken_back() {
    let place = Place::new("blocks", TABLE);
    let writer = Writer::begin(&place, "");
    // In one transaction: the lock is held until its end. The limit leaves time to see who holds it, on a busy machine, too.
    place.bench.file("V1__x.sql", "ALTER TABLE t ADD COLUMN extra int;\nSELECT pg_sleep(120);\n");
    let flags = ["apply", "--as-written", "--max-block", "0", "--max-downtime", "3s", "--yes"];
    let allowed = ["--allow", "work-under-lock=planted"];
    let ended = place.run(&[&flags[..], &allowed[..]].concat());
    assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
    for words in ["CF3003", "maxDowntime 3.0 s: ", "t could not be ", "held by pid"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    let extra = "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'extra'";
    assert_eq!(place.one(extra), "0");
    writer.nothing_lost(&place);
    place.bench.assert_sound();
}

/// What others hold is none of our doing: no limit of ours is breached by it.
#[test]
fn what_others_block_takes_nothing_back() {
    let place = Place::new("blocks_others", TABLE);
    place.bench.file(
        "V1__x.sql",
        "-- cofferdam:transaction none\nCREATE INDEX CONCURRENTLY made ON t (note);\nSELECT pg_sleep(6);\n",
    );
    // Less than the others hold it, and more than a busy machine keeps a touch waiting.
    let mut held = place.start(&["apply", "--max-downtime", "3s", "--yes", "-o", "json"]);
    let valid = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('made') AND indisvalid";
    held.until("the index is there", || place.one(valid) == "1");
    let other = place.app();
    other.run("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
    let ended = held.end();
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("\"longestMs\""), "{}", ended.stdout);
}
