//! A log that has become long: the application wrote much while nobody applied it.

use crate::place::{Held, Place, ROLLBACK, TABLE, WIDER};

/// How often every row is written: 300,000 rows of the log, of 5,000 keys.
const WRITES: usize = 60;

/// What the program may hold, in KiB. It is built without optimisation here, and holds 37 MiB whatever it does.
const MOST: u64 = 64 * 1024;

fn write(place: &Place) {
    for _ in 0..WRITES {
        place.both("UPDATE {t} SET n = n + 1");
    }
}

/// Runs it to its end: the most memory that it ever had.
fn most_memory(mut held: Held) -> u64 {
    let mut most = 0;
    while held.running() {
        most = most.max(held.memory());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let ended = held.end();
    assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
    most
}

#[test]
fn a_long_log_is_applied_and_not_held_in_memory() {
    let place = Place::new("long_log", TABLE);
    let alter = place.alter(WIDER, &[]);
    place.held(&alter, "online.copy.whole").kill();
    write(&place);
    assert_eq!(place.logged("new"), "300000");
    let most = most_memory(place.start(&alter));
    assert!(most < MOST, "{most} KiB");
    place.same("after the swap");
    write(&place);
    let most = most_memory(place.start(ROLLBACK));
    assert!(most < MOST, "{most} KiB");
    place.same("after it was taken back");
    place.nothing_left();
}
