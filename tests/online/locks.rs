//! Locks that are waited for, and who waits behind them meanwhile.

use crate::place::{ABORT, FINALIZE, Place, TABLE, WIDER};
use crate::support::until;

/// Another session's statements go through while something of ours waits for a lock: each within the server's own
/// limit, again and again.
fn goes_through(place: &Place, times: u32) {
    let app = place.app();
    for n in 0..times {
        app.run(&format!(
            "SET statement_timeout = '10s'; SELECT count(*) FROM t WHERE id < 1000;
             UPDATE t SET n = {n} WHERE id = 10; UPDATE u SET n = {n} WHERE id = 10"
        ));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// SIGINT and abort while an application holds the table: giving up waits for no lock while which others queue.
#[test]
fn trap_38_giving_up_blocks_nobody() {
    let place = Place::new("trap_38", TABLE);
    let held = place.at_gate(WIDER, &[]);
    let app = place.app();
    app.run("BEGIN");
    app.both("UPDATE {t} SET note = 'held' WHERE id = 20");
    held.signal("-INT");
    goes_through(&place, 5);
    let ended = held.end();
    assert_eq!(ended.code, 130, "{}", ended.stderr);
    let abort = place.start(ABORT);
    goes_through(&place, 20);
    app.run("COMMIT");
    let ended = abort.end();
    // It may have run out of tries while the application held the table; then the same again.
    if ended.code != 0 {
        place.run(ABORT);
    }
    place.nothing_left();
    place.same("after it was given up");
}

/// SIGINT and abort while an index is built that takes for ever.
#[test]
fn giving_up_waits_for_no_index() {
    let schema = format!(
        "{TABLE}; CREATE OR REPLACE FUNCTION patient(v bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
         BEGIN IF current_setting('application_name') LIKE 'cofferdam index%' THEN PERFORM pg_sleep(100000); END IF;
         RETURN v; END $$; CREATE INDEX {{t}}_patient ON {{t}} (public.patient(id))"
    );
    let place = Place::new("no_index", &schema);
    let builds = || {
        place.one("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'cofferdam index%' AND wait_event = 'PgSleep'")
    };
    let begin = || {
        let mut held = place.start(&place.alter(WIDER, &[]));
        held.until("an index is built", || builds() == "1");
        held
    };
    let held = begin();
    held.signal("-INT");
    assert_eq!(held.end().code, 130);
    until("the server builds no more", || builds() == "0");
    let held = begin();
    place.must(ABORT);
    assert_eq!(held.end().code, 6, "given up, and nothing is left");
    until("the server builds no more", || builds() == "0");
    place.nothing_left();
    place.same("after it was given up");
}

/// A statement of the swap that takes too long is given up, and the swap is tried again: hours of copying are not thrown
/// away for a moment in which the server was busy.
#[test]
fn a_swap_that_takes_too_long_is_tried_again() {
    let place = Place::new("too_long", TABLE);
    place.query(
        "CREATE SEQUENCE tries; CREATE TABLE calm (); CREATE TABLE slow (times bigint); INSERT INTO slow VALUES (5);
         CREATE FUNCTION slowly() RETURNS event_trigger LANGUAGE plpgsql AS $$
         BEGIN
           IF to_regclass('public.calm') IS NULL THEN
             IF nextval('public.tries') <= (SELECT times FROM public.slow) THEN PERFORM pg_sleep(4); END IF;
           END IF;
         END $$;
         CREATE EVENT TRIGGER slowly ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION slowly()",
    );
    let held = place.at_gate(WIDER, &[]);
    place.both("UPDATE {t} SET note = 'late' WHERE id = 20");
    place.query("DROP TABLE calm");
    // It is given up for now, and nothing is taken back.
    let ended = place.cutover(held);
    assert!(ended.code == 5 && ended.stderr.contains("CF2302"), "{}: {}", ended.code, ended.stderr);
    assert_eq!(place.one("SELECT last_value FROM tries"), "5");
    place.query("UPDATE slow SET times = 6");
    place.cut_over(place.start(&place.alter(WIDER, &["--cutover", "manual"])));
    assert_eq!(place.one("SELECT last_value > 6 FROM tries"), "t");
    place.same("after the swap");
    place.query("DROP EVENT TRIGGER slowly");
    place.finalize();
}

/// Where the role's transactions see what was committed when they began, ours must not: the swap would miss what came in
/// while it waited for its lock.
#[test]
fn the_isolation_level_of_the_role_is_not_that_of_the_swap() {
    let place = Place::new("isolation", TABLE);
    place.query(
        "CREATE TABLE seen (how text);
         CREATE FUNCTION look() RETURNS event_trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO public.seen VALUES (current_setting('transaction_isolation')); END $$;
         CREATE EVENT TRIGGER look ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION look()",
    );
    let database = place.one("SELECT current_database()");
    place.query(&format!("ALTER DATABASE {database} SET default_transaction_isolation = 'repeatable read'"));
    let held = place.at_gate(WIDER, &[]);
    place.both("UPDATE {t} SET note = 'late' WHERE id = 20");
    place.query("TRUNCATE seen");
    place.cut_over(held);
    assert_eq!(place.one("SELECT string_agg(DISTINCT how, ', ') FROM seen"), "read committed");
    place.same("after the swap");
    place.both("UPDATE {t} SET note = 'later' WHERE id = 30");
    place.query("TRUNCATE seen");
    place.rollback();
    assert_eq!(place.one("SELECT string_agg(DISTINCT how, ', ') FROM seen"), "read committed");
    place.same("after the way back");
}

/// A reader that takes its time holds the swap up, and nobody else.
#[test]
fn trap_39_a_waiting_swap_blocks_nobody() {
    let place = Place::new("trap_39", TABLE);
    let old = place.table();
    let reader = place.app();
    reader.run("BEGIN; SELECT count(*) FROM t");
    let mut held = place.start(&place.alter(WIDER, &[]));
    // The reader's snapshot is gone after its statement, its lock is not.
    held.until("it comes to the swap", || {
        let there = place.one("SELECT to_regclass('cofferdam.online')") != "NULL";
        there && place.one("SELECT stage FROM cofferdam.online") == "gate"
    });
    goes_through(&place, 20);
    assert_eq!(place.table(), old);
    reader.run("COMMIT");
    let ended = held.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    place.same("after the swap");
}

/// An autovacuum against wraparound gives way to nobody; this session holds the same lock as one.
#[test]
fn trap_40_a_vacuum_of_the_old_table_holds_up_only_its_removal() {
    let place = Place::new("trap_40", TABLE);
    place.must(&place.alter(WIDER, &[]));
    let old = place
        .one("SELECT format('%I.t', nspname) FROM pg_namespace WHERE nspname LIKE 'cofferdam\\_old\\_%'");
    let vacuum = place.app();
    vacuum.run(&format!("BEGIN; LOCK TABLE {old} IN SHARE UPDATE EXCLUSIVE MODE"));
    let held = place.start(FINALIZE);
    goes_through(&place, 20);
    vacuum.run("COMMIT");
    let ended = held.end();
    if ended.code != 0 {
        assert_eq!(ended.code, 5, "{}", ended.stderr);
        place.finalize();
    }
    place.nothing_left();
    place.same("at the end");
}

/// A second change of the same table is told who is at it, without waiting and without a lock.
#[test]
fn trap_41_a_second_change_is_refused_at_once() {
    let place = Place::new("trap_41", TABLE);
    let held = place.at_gate(WIDER, &[]);
    let app = place.app();
    app.run("BEGIN");
    app.both("UPDATE {t} SET note = 'held' WHERE id = 20");
    for clauses in [WIDER, "ADD COLUMN other int DEFAULT 1"] {
        let ended = place.run(&["alter", "--table", "t", "--lock-wait", "0s", "--yes", clauses]);
        assert_eq!(ended.code, 5, "{clauses}: {}", ended.stderr);
    }
    goes_through(&place, 2);
    app.run("COMMIT");
    place.cut_over(held);
    place.same("after the swap");
    // In the revert window too.
    let ended = place.run(&place.alter("ADD COLUMN other int DEFAULT 1", &[]));
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(ended.stderr.contains("CF2605"), "{}", ended.stderr);
    // In this database: the server is that of all tests.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    until("nobody waits", || place.one(waits) == "0");
    place.rollback();
    place.same("after the swap was taken back");
}
