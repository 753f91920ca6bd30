//! Transactions that commit in another order than they wrote, and copies that meet new rows for ever.

use crate::place::{Place, TABLE, WIDER};

/// A log row with an earlier number may be committed after a later one was taken.
#[test]
fn trap_33_an_earlier_log_row_is_committed_later() {
    for capture in ["rows", "statements"] {
        let place = Place::new("trap_33", TABLE);
        let held = place.at_gate(WIDER, &["--capture", capture]);
        let early = place.app();
        early.run("BEGIN");
        early.both("UPDATE {t} SET note = 'early' WHERE id IN (10, 25000)");
        // So many that a part of them is applied at once, which one is left open.
        place.both("UPDATE {t} SET note = 'late' WHERE id BETWEEN 20 AND 24000");
        crate::support::until("later rows are applied", || place.logged("new").parse::<u32>().unwrap() < 600);
        early.run("COMMIT");
        place.cut_over(held);
        place.same("after the swap");
        // And the same on the way back.
        early.run("BEGIN");
        early.both("UPDATE {t} SET note = 'early, back' WHERE id IN (30, 27000)");
        place.both("UPDATE {t} SET note = 'late, back' WHERE id IN (40, 28000)");
        early.run("COMMIT");
        place.rollback();
        place.same("after the swap was taken back");
    }
}

/// New rows come in for as long as the copy lasts.
#[test]
fn trap_46_a_copy_comes_to_its_end_though_rows_come_in() {
    let place = Place::new("trap_46", TABLE);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let ended = std::thread::scope(|threads| {
        threads.spawn(|| {
            let app = place.app();
            let mut id = 100_000;
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                id += 20;
                app.both(&format!(
                    "INSERT INTO {{t}} (id, note, pad) SELECT {id} + i, 'new', repeat('y', 900) FROM generate_series(1, 20) i"
                ));
            }
        });
        let ended = place.run(&place.alter(WIDER, &[]));
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        ended
    });
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    place.same("after the swap");
}

/// The swap is asked for before everything is copied.
#[test]
fn trap_53_the_swap_is_asked_for_too_early() {
    let place = Place::new("trap_53", TABLE);
    let old = place.table();
    let held = place.held(&place.alter(WIDER, &["--cutover", "manual"]), "online.copy.before-commit@2");
    let asked = place.run(&["cutover", "t"]);
    assert_eq!(place.table(), old, "{asked:?}");
    held.kill();
    let mut held = place.start(&place.alter(WIDER, &["--cutover", "manual"]));
    held.until("it is swapped or waits", || {
        place.table() != old || place.doing().contains("waiting for the cutover")
    });
    place.both("UPDATE {t} SET note = 'late' WHERE id = 10");
    if asked.code == 0 {
        // It was remembered for later, and later is now.
        assert_eq!(held.end().code, 0);
    } else {
        place.cut_over(held);
    }
    assert_ne!(place.table(), old);
    place.same("after the swap");
}

/// The server refuses the triggers: nothing is copied without them, and everything is as it was.
#[test]
fn trap_47_triggers_that_cannot_be_made() {
    let place = Place::new("trap_47", TABLE);
    let before = place.dump();
    place.query(
        "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no triggers here'; END $$;
         CREATE EVENT TRIGGER no ON ddl_command_start WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION no()",
    );
    let ended = place.run(&place.alter(WIDER, &[]));
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("no triggers here"), "{}", ended.stderr);
    place.query("DROP EVENT TRIGGER no; DROP FUNCTION no()");
    assert_eq!(place.dump(), before);
    place.both("UPDATE {t} SET note = 'meanwhile' WHERE id < 1000");
    place.must(&place.alter(WIDER, &[]));
    place.same("after the swap");
    place.finalize();
    place.nothing_left();
}
