//! The runner dies, fails or hangs at every failpoint; the same command, run again, ends right.
//!
//! The cases are made from the list of failpoints: a new failpoint that no scenario reaches fails the test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use cofferdam_core::failpoint::FAILPOINTS;
use support::{Bench, Ended, until, wait};

/// What a scenario applies, and how it ends when nothing disturbs it.
struct Scenario {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    /// The exit code of an undisturbed run, and of the one after a disturbed run.
    code: i32,
    /// Failpoints that it must reach, each at these times.
    reaches: &'static [(&'static str, &'static [u32])],
}

/// Transactions, an index outside of one, and a sequence of several transactions. `ledger` counts executions: it
/// has no key, so a statement that ran twice shows. Version 1 is applied before anything is disturbed: on tables
/// that the same command makes nothing is rewritten.
const FORWARD: Scenario = Scenario {
    name: "forward",
    files: &[
        (
            "V1__ledger.sql",
            "CREATE TABLE ledger (what text);\nCREATE TABLE t (id int PRIMARY KEY, a int, b int);\n
             INSERT INTO t SELECT n, n, n FROM generate_series(1, 2000) n;",
        ),
        ("V2__together.sql", "INSERT INTO ledger VALUES ('two');\nALTER TABLE t ADD COLUMN c int;"),
        ("V3__index.sql", "CREATE INDEX t_a_idx ON t (a);"),
        ("V4__not_null.sql", "ALTER TABLE t ALTER COLUMN b SET NOT NULL;"),
        (
            "V5__apart.sql",
            "-- cofferdam:transaction none\nINSERT INTO ledger VALUES ('five a');\nVACUUM t;
             INSERT INTO ledger VALUES ('five b');",
        ),
    ],
    code: 0,
    reaches: &[
        ("claim.locked", &[1]),
        ("run.opened", &[1, 2, 3]),
        ("atomic.begun", &[1, 2, 3, 5]),
        ("atomic.statement", &[1, 2, 3, 5, 8]),
        ("atomic.before-commit", &[1, 2, 3, 4, 6, 8, 9, 11]),
        ("atomic.commit-sent", &[1, 2, 3, 4, 6, 8, 9, 11]),
        ("atomic.committed", &[1, 2, 3, 4, 6, 8, 9, 11]),
        ("loose.began", &[1, 2]),
        ("loose.sent", &[1, 2]),
        ("loose.performed", &[1, 2]),
        ("loose.ended", &[2]),
        ("run.before-done", &[1]),
        ("run.done", &[1, 2, 3]),
    ],
};

/// The second statement cannot hold, so the index before it is taken back.
const BACKWARD: Scenario = Scenario {
    name: "backward",
    files: &[
        (
            "V1__ledger.sql",
            "CREATE TABLE ledger (what text);\nCREATE TABLE t (id int PRIMARY KEY, a int);\n
             INSERT INTO t SELECT n, n FROM generate_series(1, 2000) n;\nINSERT INTO ledger VALUES ('one');",
        ),
        (
            "V2__cannot.sql",
            "CREATE INDEX t_a_idx ON t (a);\nALTER TABLE t ADD COLUMN c int;\n
             ALTER TABLE t ADD CONSTRAINT small CHECK (a < 1000);",
        ),
    ],
    code: 6,
    reaches: &[("undo.begun", &[1]), ("undo.step", &[1, 2, 3]), ("undo.before-end", &[1])],
};

fn bench(scenario: &Scenario) -> Bench {
    let bench = Bench::new(scenario.name);
    for (name, text) in scenario.files {
        bench.file(name, text);
    }
    bench.must(&["apply", "--to", "1"]);
    bench
}

/// What is there at the end: the schema, and what each statement left behind.
#[allow(clippy::type_complexity, reason = "compared as a whole and never taken apart")]
fn state(bench: &Bench) -> (String, Vec<(String, String)>, Vec<Vec<String>>, String) {
    (
        bench.dump(),
        bench.history(),
        bench.query("SELECT what, count(*) FROM ledger GROUP BY what ORDER BY what"),
        bench.one("SELECT count(*) FROM pg_index WHERE NOT indisvalid"),
    )
}

fn disturbed(bench: &Bench, failpoint: &str, action: &str, nth: u32) {
    let mark = bench.folder.path().join("reached");
    let mut command = bench.command(&["apply"]);
    command
        .env("COFFERDAM_FAILPOINT", format!("{failpoint}={action}@{nth}"))
        .env("COFFERDAM_FAILPOINT_REACHED", &mark)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    if action == "hang" {
        until("the failpoint is reached", || mark.exists() || child.try_wait_ended());
        // While it hangs it holds the lock, and nobody else may act; whoever tries is told who it is.
        if mark.exists() {
            let other = bench.run(&["apply", "--lock-wait", "200ms"]);
            let told = other.code == 5 && other.stderr.contains("CF2304");
            // After the last commit there is nothing left that the lock could keep anybody from.
            let too_late = other.code == 0 && other.stdout.contains("nothing to do");
            assert!(told || too_late, "{failpoint}@{nth}: {other:?}");
        }
        child.kill().unwrap();
    }
    let ended = wait(child);
    assert!(mark.exists(), "{failpoint}={action}@{nth} was not reached\n{}", ended.stderr);
    assert_ne!(ended.code, 0, "{failpoint}={action}@{nth} was reached and the run ended well");
}

trait TryWaitEnded {
    fn try_wait_ended(&self) -> bool;
}

impl TryWaitEnded for std::process::Child {
    /// Whether the process is gone, without taking its status.
    fn try_wait_ended(&self) -> bool {
        std::fs::read_to_string(format!("/proc/{}/stat", self.id()))
            .map_or(true, |s| s.rsplit(')').next().is_some_and(|r| r.trim_start().starts_with('Z')))
    }
}

fn again(bench: &Bench) -> Ended {
    bench.run(&["apply", "--lock-wait", "30s"])
}

fn matrix(scenario: &Scenario, action: &str) {
    let undisturbed = bench(scenario);
    let ended = again(&undisturbed);
    assert_eq!(ended.code, scenario.code, "{}", ended.stderr);
    let expected = state(&undisturbed);
    undisturbed.assert_sound();

    let cases: Vec<(&str, u32)> =
        scenario.reaches.iter().flat_map(|(name, times)| times.iter().map(move |n| (*name, *n))).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                while let Some((failpoint, nth)) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let bench = bench(scenario);
                    disturbed(&bench, failpoint, action, *nth);
                    let ended = again(&bench);
                    let case = format!("{failpoint}={action}@{nth}");
                    assert_eq!(ended.code, scenario.code, "{case}\n{}", ended.stderr);
                    assert_eq!(state(&bench), expected, "{case}");
                    bench.assert_sound();
                }
            });
        }
    });
}

#[test]
fn every_failpoint_is_in_a_scenario() {
    // Those of online changes have a matrix of their own, in tests/online, those of backups in tests/backup, those of
    // what is parked in tests/parked, those of notifications in tests/notify, those of the watch in tests/drills, those of the operator in tests/e2e,
    // and those of a tool's table on MySQL in tests/mysql.
    let elsewhere = |name: &str| {
        let groups = [
            "online.",
            "backup.",
            "notify.",
            "guard.",
            "operator.",
            "park.",
            "undrop.",
            "discard.",
            "ledger.",
        ];
        groups.iter().any(|of| name.starts_with(of))
    };
    for (name, _) in FAILPOINTS.iter().filter(|(name, _)| !elsewhere(name)) {
        let reached = [&FORWARD, &BACKWARD].iter().any(|s| s.reaches.iter().any(|(n, _)| n == name));
        assert!(reached, "no scenario reaches {name}");
    }
}

#[test]
fn killed_going_forward() {
    matrix(&FORWARD, "kill");
}

#[test]
fn failing_going_forward() {
    matrix(&FORWARD, "error");
}

#[test]
fn hanging_going_forward() {
    matrix(&FORWARD, "hang");
}

#[test]
fn killed_taking_back() {
    matrix(&BACKWARD, "kill");
}

#[test]
fn failing_taking_back() {
    matrix(&BACKWARD, "error");
}

#[test]
fn hanging_taking_back() {
    matrix(&BACKWARD, "hang");
}
