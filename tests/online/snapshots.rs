//! Transactions with a snapshot that is older than what the change does.

use crate::place::{App, Place, TABLE, WIDER};
use crate::session::Trouble;
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
    let new = place.table();
    let mut held = place.start(crate::place::ROLLBACK);
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

/// A transaction whose snapshot is from before the swap, but not from before the copy, does not see in the new table
/// what was applied meanwhile: its UPDATE would pass over rows, and what refers to a row would not find it. It is told
/// to come again, and nobody else is.
#[test]
fn what_an_older_snapshot_writes_after_a_swap_is_refused() {
    let place = Place::new("older_snapshot", TABLE);
    place.query("CREATE TABLE child (id int PRIMARY KEY, of int REFERENCES t)");
    let writes = [
        "UPDATE t SET note = 'lost' WHERE id = 10",
        "DELETE FROM t WHERE id = 10",
        "INSERT INTO t (id, note) VALUES (10, 'x') ON CONFLICT (id) DO NOTHING",
        "INSERT INTO child VALUES (1, 10)",
        "INSERT INTO child VALUES (1, 10) ON CONFLICT DO NOTHING",
    ];
    let begin = || -> Vec<(App, &str)> {
        let isolations = ["REPEATABLE READ", "SERIALIZABLE"];
        let one = |sql| {
            isolations.map(|isolation| {
                let app = place.app();
                app.run(&format!("BEGIN ISOLATION LEVEL {isolation}; SELECT count(*) FROM pg_class"));
                (app, sql)
            })
        };
        writes.into_iter().flat_map(one).collect()
    };
    let refused = |apps: Vec<(App, &str)>, when: &str| {
        for (app, sql) in apps {
            let answer = app.try_run(sql);
            assert!(
                matches!(&answer, Err(Trouble::Refused { state, .. }) if state == "40001"),
                "{when}: {sql}: {answer:?}"
            );
            app.run(&format!("ROLLBACK; BEGIN ISOLATION LEVEL SERIALIZABLE; {sql}; ROLLBACK"));
        }
    };
    let held = place.at_gate(WIDER, &[]);
    let older = begin();
    place.both("UPDATE {t} SET note = 'meanwhile' WHERE id = 10");
    let committed = place.app();
    committed.run("BEGIN");
    place.cut_over(held);
    committed.both("UPDATE {t} SET note = 'at read committed' WHERE id = 20");
    committed.run("INSERT INTO child VALUES (2, 20); COMMIT");
    refused(older, "after the swap");
    let older = begin();
    place.both("UPDATE {t} SET note = 'meanwhile, again' WHERE id = 10");
    let held = place.held(crate::place::ROLLBACK, "online.swap.committed");
    refused(older, "after the swap back");
    held.kill();
    place.rollback();
    place.same("at the end");
    place.nothing_left();
}

/// The guard does not go before the last transaction that it is for, also where the revert window is ended at once.
#[test]
fn the_guard_outlives_the_snapshots_from_before_the_swap() {
    let place = Place::new("guarded", TABLE);
    let old = place.table();
    // It writes for so long that whoever begins beside it has a horizon from before the copy, but no such snapshot.
    let writes = place.app();
    writes.run("BEGIN; CREATE TABLE beside ()");
    let mut held = place.at_gate(WIDER, &["--finalize"]);
    let app = place.app();
    app.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class");
    place.both("UPDATE {t} SET note = 'meanwhile' WHERE id = 10");
    place.must(&["cutover", "t"]);
    held.until("the tables are swapped", || place.table() != old);
    // Long enough for the end of the change, were it not to wait.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(held.running(), "it did not wait");
    let answer = app.try_run("UPDATE t SET note = 'lost' WHERE id = 10");
    assert!(matches!(&answer, Err(Trouble::Refused { state, .. }) if state == "40001"), "{answer:?}");
    app.run("ROLLBACK");
    let ended = held.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    writes.run("ROLLBACK");
    place.same("at the end");
    place.nothing_left();
}
