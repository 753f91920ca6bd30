//! What the application wrote is there after the swap and after the way back, and mistakes that would lose it are found.

use std::sync::atomic::{AtomicBool, Ordering};

use cofferdam_scratch::mysql::Kind;

use super::load::Load;
use super::{ROLLBACK, ROWS, WIDER, alter, assert_clean, id_type, place};
use crate::site::Site;
use crate::support::ended;

on_both! {
    what_was_acknowledged_is_there,
    values_that_move_between_rows,
    rows_that_do_not_fit_back,
    dropped_columns_come_back,
    numbers_are_not_given_again,
    planted_mistakes_are_found,
}

fn what_was_acknowledged_is_there(kind: Kind) {
    let Some(site) = place(kind, "acknowledged") else { return };
    let ((), load) = Load::beside(&site, |load| {
        load.go_on(20);
        site.must(&alter(&[], WIDER));
        assert_eq!(id_type(&site), "bigint");
        load.go_on(50);
    });
    load.assert_kept(&site);
    let ((), load) = load.again(&site, |load| {
        load.go_on(20);
        site.must(ROLLBACK);
        load.go_on(50);
    });
    assert_eq!(id_type(&site), "int");
    load.assert_kept(&site);
    assert_clean(&site);
    let ((), load) = load.again(&site, |load| {
        load.go_on(20);
        site.must(&alter(&["--finalize"], WIDER));
        load.go_on(20);
    });
    assert_eq!(id_type(&site), "bigint");
    load.assert_kept(&site);
    assert_clean(&site);
    site.assert_sound();
}

fn values_that_move_between_rows(kind: Kind) {
    let Some(site) = place(kind, "moving") else { return };
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::SeqCst) {
                n += 1;
                let (a, b) = (n % 50 + 1, n % 50 + 3_000);
                let sql = format!(
                    "START TRANSACTION; SELECT tag INTO @a FROM t WHERE id = {a}; SELECT tag INTO @b FROM t WHERE id = {b};
                     UPDATE t SET tag = NULL WHERE id = {a}; UPDATE t SET tag = @a WHERE id = {b};
                     UPDATE t SET tag = @b WHERE id = {a}; COMMIT"
                );
                // A deadlock takes all of it back.
                let _ = site.server().query(Some(&site.database), &sql);
            }
        });
        let altered = site.run(&alter(&[], WIDER));
        let back = site.run(ROLLBACK);
        stop.store(true, Ordering::SeqCst);
        assert_eq!((altered.code, back.code), (0, 0), "{}\n{}", altered.stderr, back.stderr);
    });
    assert_eq!(site.one("SELECT COUNT(DISTINCT tag) FROM t"), ROWS.to_string());
    assert_clean(&site);
}

fn rows_that_do_not_fit_back(kind: Kind) {
    let Some(site) = place(kind, "unfit") else { return };
    site.must(&alter(&[], WIDER));
    site.query("INSERT INTO t (id, n) VALUES (5000000000, 1), (77777, 2)");
    let refused = site.run(ROLLBACK);
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    assert!(refused.stderr.contains("key 5000000000"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("77777"), "{}", refused.stderr);
    assert_eq!((id_type(&site).as_str(), site.one("SELECT COUNT(*) FROM t").as_str()), ("bigint", "4002"));
    site.query("DELETE FROM t WHERE id = 5000000000");
    site.must(ROLLBACK);
    assert_eq!(
        (id_type(&site).as_str(), site.one("SELECT n FROM t WHERE id = 77777").as_str()),
        ("int", "2")
    );
    assert_clean(&site);
}

/// What a dropped column held is there again, also in rows that were written since.
fn dropped_columns_come_back(kind: Kind) {
    let Some(site) = place(kind, "dropped") else { return };
    let refused = site.run(&alter(&[], "DROP COLUMN note"));
    assert!(refused.code != 0 && refused.stderr.contains("t.note"), "{}", refused.stderr);
    site.must(&alter(&["--allow", "data-loss=unused"], "DROP COLUMN note"));
    site.query("UPDATE t SET n = 1000 WHERE id <= 5; INSERT INTO t (id, n) VALUES (90000, 7); DELETE FROM t WHERE id = 6");
    site.must(ROLLBACK);
    assert_eq!(site.one("SELECT COUNT(*) FROM t WHERE n = 1000 AND note = 'old'"), "5");
    assert_eq!(site.one("SELECT COUNT(*) FROM t WHERE note IS NULL"), "1");
    assert_eq!(site.one("SELECT COUNT(*) FROM t"), ROWS.to_string());
    assert_clean(&site);
}

/// The rows with the highest numbers are gone; their numbers are not given to others.
fn numbers_are_not_given_again(kind: Kind) {
    let Some(site) = place(kind, "counter") else { return };
    site.query("INSERT INTO t (id) VALUES (9000); DELETE FROM t WHERE id = 9000");
    site.must(&alter(&[], WIDER));
    site.query("INSERT INTO t (n) VALUES (-1)");
    assert_eq!(site.one("SELECT id FROM t WHERE n = -1"), "9001");
    site.query("INSERT INTO t (id) VALUES (9500); DELETE FROM t WHERE id = 9500");
    site.must(ROLLBACK);
    site.query("INSERT INTO t (n) VALUES (-2)");
    assert_eq!(site.one("SELECT id FROM t WHERE n = -2"), "9501");
}

/// Each of these mistakes loses rows, and is found: by the comparison, or by the application that misses them.
fn planted_mistakes_are_found(kind: Kind) {
    let Some(site) = place(kind, "skipped") else { return };
    let mistaken = |site: &Site, mistake: &str, more: &[(&str, &str)]| {
        let mut command = site.command(&alter(&[], WIDER));
        ended(command.env("COFFERDAM_PLANTED", mistake).envs(more.iter().copied()))
    };
    let found = mistaken(&site, "skipped-chunk", &[]);
    assert!(
        found.code != 0 && found.stderr.contains("does not hold what"),
        "{}\n{}",
        found.stdout,
        found.stderr
    );
    assert_eq!(id_type(&site), "int");
    assert_clean(&site);
    for mistake in ["swap-before-drain", "swap-without-mark"] {
        let site = place(kind, "planted").unwrap();
        let killed = mistaken(&site, mistake, &[("COFFERDAM_FAILPOINT", "online.gate.opened=kill@1")]);
        assert_ne!(killed.code, 0);
        // Behind the last look of the comparison, before the lock.
        site.query("INSERT INTO t (id, n) VALUES (300000, 1)");
        let lost = match mistake {
            "swap-before-drain" => {
                mistaken(&site, mistake, &[]);
                site.one("SELECT COUNT(*) FROM t WHERE id = 300000") == "0"
            }
            _ => {
                let (swapped, load) = Load::beside(&site, |load| {
                    load.go_on(20);
                    mistaken(&site, mistake, &[])
                });
                assert_eq!(swapped.code, 0, "{}\n{}", swapped.stdout, swapped.stderr);
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| load.assert_kept(&site))).is_err()
            }
        };
        assert!(lost, "{mistake} was not noticed");
    }
}
