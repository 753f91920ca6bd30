//! Several at once.

use cofferdam_scratch::mysql::Kind;

use crate::site::Site;
use crate::support::{until, wait};

on_both! {
    of_two_runners_exactly_one_executes,
    a_statement_whose_client_is_gone_is_waited_for,
    who_holds_the_lock_is_named,
    a_runner_that_was_taken_for_dead_is_fenced,
}

const LEDGER: (&str, &str) = (
    "V1__ledger.sql",
    "CREATE TABLE ledger (id int AUTO_INCREMENT PRIMARY KEY, what varchar(20) NOT NULL);\n\
     CREATE TABLE t (id int PRIMARY KEY, a int);\nINSERT INTO t VALUES (1, 1), (2, 2);\n",
);

fn of_two_runners_exactly_one_executes(kind: Kind) {
    let Some(site) = Site::with(kind, "two", &[LEDGER]) else { return };
    site.must(&["apply"]);
    for version in 2..22 {
        site.file(
            &format!("V{version}__x.sql"),
            &format!(
                "ALTER TABLE t ADD COLUMN c{version} int;\nINSERT INTO ledger (what) VALUES ('{version}');\n"
            ),
        );
        let children: Vec<_> = (0..2).map(|_| site.spawn(&["apply", "--lock-wait", "0s"])).collect();
        let ends: Vec<_> = children.into_iter().map(wait).collect();
        assert!(ends.iter().any(|end| end.code == 0), "{ends:?}");
        for end in &ends {
            // The other one came too early and was told who is at work, or too late and found nothing to do.
            assert!(end.code == 0 || (end.code == 5 && end.stderr.contains("CF2304")), "{end:?}");
        }
        assert_eq!(site.one(&format!("SELECT COUNT(*) FROM ledger WHERE what = '{version}'")), "1");
    }
    assert_eq!(site.history().len(), 21);
    site.assert_sound();
}

/// A server goes on with a statement whose client is gone. Its session has the run lock, so nobody does it once more.
fn a_statement_whose_client_is_gone_is_waited_for(kind: Kind) {
    let Some(site) = Site::with(kind, "orphan", &[LEDGER]) else { return };
    site.must(&["apply"]);
    site.file("V2__slow.sql", "CREATE TABLE slow AS SELECT id, SLEEP(1) AS s FROM t;\n");
    let child = site.spawn(&["apply"]);
    let slow = format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '{}' AND INFO LIKE 'CREATE TABLE slow%'",
        site.database
    );
    until("the slow statement runs", || site.one(&slow) == "1");
    let mut child = child;
    child.kill().unwrap();
    wait(child);
    let early = site.run(&["apply", "--lock-wait", "0s"]);
    // A server may notice that nobody waits for the answer, and end the statement.
    assert!(early.code == 5 || early.code == 7, "{}\n{}", early.stdout, early.stderr);
    // Nothing in the catalog tells whether such a statement was carried out by us: a person is asked.
    let asked = site.run(&["apply", "--lock-wait", "60s"]);
    assert_eq!(asked.code, 7, "{}\n{}", asked.stdout, asked.stderr);
    assert!(asked.stderr.contains("repair") && asked.stderr.contains("step-done"), "{}", asked.stderr);
    assert_eq!(site.one(&slow), "0");
    let run = site.one("SELECT id FROM _cofferdam_run WHERE ended_at IS NULL");
    let says = if site.tables().contains(&"slow".to_owned()) { "step-done" } else { "step-not-done" };
    site.must(&["repair", &run, "--says", says]);
    site.must(&["apply"]);
    assert_eq!(site.one("SELECT COUNT(*) FROM slow"), "2");
    assert_eq!(site.history().len(), 2);
    site.assert_sound();
}

fn who_holds_the_lock_is_named(kind: Kind) {
    let Some(site) = Site::with(kind, "named", &[LEDGER]) else { return };
    let mark = site.folder.path().join("reached");
    let mut command = site.command(&["apply"]);
    command.env("COFFERDAM_FAILPOINT", "claim.locked=hang").env("COFFERDAM_FAILPOINT_REACHED", &mark);
    let mut child = command.spawn().unwrap();
    until("the lock is held", || mark.exists());
    let other = site.run(&["apply", "--lock-wait", "0s"]);
    assert_eq!(other.code, 5, "{}", other.stderr);
    assert!(other.stderr.contains("cofferdam apply") && other.stderr.contains("KILL "), "{}", other.stderr);
    let status = site.must(&["status"]);
    assert!(status.stdout.contains("cofferdam apply"), "{}", status.stdout);
    child.kill().unwrap();
    wait(child);
    site.must(&["apply", "--lock-wait", "30s"]);
    site.assert_sound();
}

/// A runner is stopped, somebody ends its session, another one takes over; then the first goes on, and its writes count
/// for nothing.
fn a_runner_that_was_taken_for_dead_is_fenced(kind: Kind) {
    let Some(site) = Site::with(kind, "fenced", &[LEDGER]) else { return };
    site.must(&["apply"]);
    // Long enough to be stopped and ended in the midst of it, however busy the machine is.
    site.file("V2__slow.sql", "SELECT SLEEP(5);\nINSERT INTO ledger (what) VALUES ('two');\n");
    let old = site.spawn(&["apply"]);
    let sleeping = format!(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = '{}' AND INFO LIKE 'SELECT SLEEP(5)%'",
        site.database
    );
    until("the slow statement runs", || !site.query(&sleeping).is_empty());
    let pid = old.id().to_string();
    let signal = |name: &str| {
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success())
    };
    signal("-STOP");
    site.query(&format!("KILL {}", site.one(&sleeping)));
    let new = site.run(&["apply", "--lock-wait", "30s"]);
    assert_eq!(new.code, 0, "{}\n{}", new.stdout, new.stderr);
    signal("-CONT");
    assert_ne!(wait(old).code, 0);
    assert_eq!(site.one("SELECT COUNT(*) FROM ledger WHERE what = 'two'"), "1");
    site.assert_sound();
}
