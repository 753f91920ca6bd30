//! Several actors at once: two runners, a runner and a person, an application that is in the way, a runner that
//! was taken for dead.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use support::{Bench, server, until, wait};

fn signal(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// An index of which each of twenty rows takes so many seconds: time to do something meanwhile. (Many short waits would be
/// much longer ones on a busy machine.)
const SLOW: &str = "CREATE FUNCTION slowly(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM pg_sleep({seconds}); RETURN n; END $$;
    CREATE TABLE t (id int PRIMARY KEY, a int);
    INSERT INTO t SELECT n, n FROM generate_series(1, 20) n;";
const SLOW_INDEX: &str = "CREATE INDEX t_slow_idx ON t (slowly(a));";

fn slow(seconds: &str) -> Bench {
    let bench = Bench::new("slow");
    bench.file("V1__slow.sql", &SLOW.replace("{seconds}", seconds));
    bench.must(&["apply"]);
    bench.file("V2__index.sql", SLOW_INDEX);
    bench
}

fn building(bench: &Bench) -> bool {
    bench.one(&format!(
        "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = '{}'",
        bench.database
    )) != "0"
}

/// 65: two runners, the same database, the same moment. A hundred tries.
#[test]
fn of_two_runners_exactly_one_executes() {
    let bench = Bench::new("two");
    bench.file(
        "V1__ledger.sql",
        "CREATE TABLE ledger (version int, at timestamptz DEFAULT clock_timestamp());",
    );
    bench.must(&["apply"]);
    for version in 2..102 {
        bench.file(
            &format!("V{version}__x.sql"),
            &format!("INSERT INTO ledger (version) VALUES ({version});"),
        );
        let children: Vec<_> = (0..2).map(|_| bench.spawn(&["apply", "--lock-wait", "0s"])).collect();
        let ends: Vec<_> = children.into_iter().map(wait).collect();
        assert!(ends.iter().any(|e| e.code == 0), "{ends:?}");
        for end in &ends {
            // The other one came too early and was told who is at work, or too late and found nothing to do.
            assert!(end.code == 0 || (end.code == 5 && end.stderr.contains("CF2304")), "{end:?}");
        }
        assert_eq!(bench.one(&format!("SELECT count(*) FROM ledger WHERE version = {version}")), "1");
    }
    bench.assert_sound();
}

/// A1-A4, fact 0.1: the client is gone, its statement is not. The new runner waits for the old backend, asks the
/// catalog, and repairs what is half there.
#[test]
fn an_orphaned_backend_is_waited_for() {
    let bench = slow("0.25");
    let child = bench.spawn(&["apply"]);
    until("the index is being built", || building(&bench));
    let early = bench.run(&["apply", "--lock-wait", "0s"]);
    assert_eq!(early.code, 5, "{}", early.stderr);
    assert!(early.stderr.contains("t_slow_idx"), "the holder's statement is named: {}", early.stderr);
    signal(child.id(), "-KILL");
    wait(child);
    let again = bench.run(&["apply", "--lock-wait", "30s"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(bench.one("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_slow_idx'::regclass"), "t");
    assert_eq!(bench.history().len(), 2);
    bench.assert_sound();
}

/// 24: SIGTERM stops at a safe point, says how to go on, and the same command does.
#[test]
fn sigterm_stops_at_a_safe_point() {
    // Not as long as a statement may still take after the signal.
    let bench = slow("0.1");
    bench.file("V3__more.sql", "CREATE TABLE more (id int);");
    let child = bench.spawn(&["apply"]);
    until("the index is being built", || building(&bench));
    signal(child.id(), "-TERM");
    let ended = wait(child);
    assert_eq!(ended.code, 130, "{}", ended.stderr);
    assert!(ended.stderr.contains("run the same command again"), "{}", ended.stderr);
    assert_eq!(bench.history().len(), 2, "the step was let end, and the next migration was not begun");
    bench.must(&["apply"]);
    assert_eq!(bench.history().len(), 3);
    bench.assert_sound();
}

/// 67: a runner is stopped for so long that another takes over, then goes on. Its write is refused.
#[test]
fn a_runner_that_was_taken_for_dead_is_fenced() {
    let bench = Bench::new("fenced");
    bench
        .file("V1__t.sql", "CREATE TABLE t (id int); CREATE TABLE ledger (n int);")
        .file("V2__slow.sql", "SELECT pg_sleep(5); INSERT INTO ledger VALUES (1);");
    let old = bench.spawn(&["apply"]);
    until("the slow statement runs", || {
        bench.one("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(5)%'") == "1"
    });
    signal(old.id(), "-STOP");
    // Somebody decides that it is dead and ends its session, as the message of the second runner says.
    bench.query(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    let new = bench.run(&["apply", "--lock-wait", "30s"]);
    assert_eq!(new.code, 0, "{}", new.stderr);
    signal(old.id(), "-CONT");
    let old = wait(old);
    assert_ne!(old.code, 0, "{}", old.stdout);
    assert_eq!(bench.one("SELECT count(*) FROM ledger"), "1");
    bench.assert_sound();
}

/// 68: a person edits the history by hand, or changes a file: reported, and nothing is done.
#[test]
fn drift_of_history_is_reported() {
    let bench = Bench::new("drift");
    bench.file("V1__t.sql", "CREATE TABLE t (id int);");
    bench.must(&["apply"]);
    bench.query("UPDATE cofferdam.history SET checksum = '1' WHERE key = '1'");
    bench.file("V2__u.sql", "CREATE TABLE u (id int);");
    let ended = bench.run(&["apply"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("CF2007"), "{}", ended.stderr);
    assert_eq!(bench.one("SELECT to_regclass('u') IS NULL"), "t");
    bench.query("UPDATE cofferdam.journal SET who = 'nobody' WHERE seq = 2");
    let verified = bench.run(&["verify"]);
    assert_ne!(verified.code, 0, "{}", verified.stdout);
    assert!(format!("{}{}", verified.stdout, verified.stderr).contains('2'), "{}", verified.stdout);
}

/// 71: the holder of the lock is a zombie: an idle backend whose client is gone. It is named, with its age and the
/// statement that ends it.
#[test]
fn a_zombie_holder_is_named() {
    let bench = Bench::new("zombie");
    bench.file("V1__t.sql", "CREATE TABLE t (id int);");
    let mark = bench.folder.path().join("reached");
    let mut hanging = bench
        .command(&["apply"])
        .env("COFFERDAM_FAILPOINT", "claim.locked=hang")
        .env("COFFERDAM_FAILPOINT_REACHED", &mark)
        .spawn()
        .unwrap();
    until("it hangs", || mark.exists());
    let ended = bench.run(&["apply", "--lock-wait", "0s"]);
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(ended.stderr.contains("idle"), "{}", ended.stderr);
    let terminate = ended.stderr.split("SELECT pg_terminate_backend(").nth(1).expect("how to end it");
    let pid = terminate.split(')').next().unwrap();
    bench.query(&format!("SELECT pg_terminate_backend({pid})"));
    bench.must(&["apply", "--lock-wait", "30s"]);
    hanging.kill().unwrap();
    hanging.wait().unwrap();
}

/// 30: a long transaction holds the table. Each try gives up soon, the blocker is named, and nothing is left.
#[test]
fn a_lock_that_is_not_obtained_names_its_holder() {
    let bench = Bench::new("blocked");
    bench.file("V1__t.sql", "CREATE TABLE t (id int);");
    bench.must(&["apply"]);
    bench.file("V2__c.sql", "ALTER TABLE t ADD COLUMN c int;");
    let database = bench.database.clone();
    let blocker = std::thread::spawn(move || {
        server().query(&database, "BEGIN; SELECT * FROM t; SELECT pg_sleep(15) /* the report */; COMMIT")
    });
    until("the blocker is there", || {
        bench.one("SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND granted") != "0"
    });
    let ended = bench.run(&["apply", "--lock-tries", "2", "--lock-timeout", "400ms"]);
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(ended.stderr.contains("CF2302") && ended.stderr.contains("the report"), "{}", ended.stderr);
    assert_eq!(bench.history().len(), 1);
    // With more tries it outlasts the blocker.
    bench.must(&["apply", "--lock-tries", "60"]);
    blocker.join().unwrap().unwrap();
    bench.assert_sound();
}

/// The look-out: our statement holds its lock and works, others queue behind it, ours is cancelled.
#[test]
fn a_statement_that_makes_others_queue_is_cancelled() {
    // Far longer than it takes until it is cancelled.
    let bench = slow("1");
    bench.remove("V2__index.sql");
    bench.file("V2__blocking.sql", "CREATE INDEX t_slow_idx ON t (slowly(a));");
    let child = bench.spawn(&[
        "apply",
        "--as-written",
        "--allow",
        "create-index-blocking=test",
        "--max-block",
        "300ms",
        "--lock-tries",
        "2",
    ]);
    until("the index is being built", || building(&bench));
    let database = bench.database.clone();
    let writer = std::thread::spawn(move || server().query(&database, "UPDATE t SET a = a WHERE id = 1"));
    let first = writer.join().unwrap();
    assert!(first.is_ok(), "the writer got through");
    let database = bench.database.clone();
    until("it is tried again", || building(&bench) || !still_running(&child));
    let second = std::thread::spawn(move || server().query(&database, "UPDATE t SET a = a WHERE id = 2"));
    assert!(second.join().unwrap().is_ok());
    let ended = wait(child);
    assert_eq!(ended.code, 5, "{}", ended.stderr);
    assert!(ended.stderr.contains("CF2303"), "{}", ended.stderr);
    assert_eq!(bench.one("SELECT count(*) FROM pg_class WHERE relname = 't_slow_idx'"), "0");
}

fn still_running(child: &std::process::Child) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", child.id()))
        .is_ok_and(|s| s.rsplit(')').next().is_some_and(|r| !r.trim_start().starts_with('Z')))
}
