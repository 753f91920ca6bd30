//! Transactions with a snapshot that is older than what the change does.

use crate::place::{Place, TABLE, WIDER};
use crate::support::until;

/// A transaction whose snapshot is older than the copy deletes a row that is copied: a trigger that deleted it in the
/// new table would not see it there.
#[test]
fn trap_42_a_row_is_deleted_in_a_snapshot_from_before_the_copy() {
    for isolation in ["REPEATABLE READ", "SERIALIZABLE"] {
        for capture in ["rows", "statements"] {
            let place = Place::new("trap_42", TABLE);
            let app = place.app();
            app.run(&format!("BEGIN ISOLATION LEVEL {isolation}; SELECT count(*) FROM u"));
            let held = place.at_gate(WIDER, &["--capture", capture]);
            app.both("DELETE FROM {t} WHERE id IN (10, 25000, 50000)");
            app.both("UPDATE {t} SET note = 'old snapshot' WHERE id = 20");
            app.run("COMMIT");
            place.cut_over(held);
            place.same(isolation);
        }
    }
}

/// A transaction whose snapshot is older than the copy would find the new table empty: it is waited for.
#[test]
fn trap_43_a_snapshot_from_before_the_copy_never_sees_an_empty_table() {
    let place = Place::new("trap_43", TABLE);
    let old = place.table();
    let app = place.app();
    app.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM u");
    let mut held = place.start(&place.alter(WIDER, &[]));
    held.until("it waits for the old snapshot", || place.doing().contains("waiting for transactions"));
    assert_eq!(place.table(), old);
    assert_eq!(app.one("SELECT count(*) FROM t"), "5000");
    app.run("COMMIT");
    let ended = held.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_ne!(place.table(), old);
    place.same("after the swap");
    // On the way back as well: the old table was written to while the swap could be taken back.
    app.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM u");
    place.both("INSERT INTO {t} (id, note) SELECT 100000 + i, 'new' FROM generate_series(1, 3000) i");
    let mut held = place.start(crate::place::ROLLBACK);
    let new = place.table();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            until("it was taken back, or waits", || {
                place.table() != new || place.doing().contains("waiting for transactions")
            });
            // Rows of the snapshot: neither less, nor those that came later.
            assert_eq!(app.one("SELECT count(*) FROM t"), "5000");
            app.run("COMMIT");
        });
    });
    held.until("it ends", || place.table() != new);
    assert_eq!(held.end().code, 0);
    place.same("after the swap was taken back");
}
