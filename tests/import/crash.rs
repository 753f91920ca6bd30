//! The runner dies at any point: what is applied is in both histories or in neither, and the same command goes on.

use crate::support::Bench;
use crate::tool::{migrate, own, rows};

const ATOMIC: &[&str] = &[
    "claim.locked",
    "atomic.begun",
    "atomic.statement",
    "atomic.before-commit",
    "atomic.commit-sent",
    "atomic.committed",
    "run.done",
];
const LOOSE: &[&str] = &["run.opened", "loose.began", "loose.sent", "loose.performed", "run.before-done"];

fn killed(bench: &Bench, failpoint: &str) {
    let mark = bench.folder.path().join("reached");
    let mut command = bench.command(&["apply"]);
    command
        .env("COFFERDAM_FAILPOINT", format!("{failpoint}=kill@1"))
        .env("COFFERDAM_FAILPOINT_REACHED", &mark);
    let ended = crate::support::ended(&mut command);
    assert!(mark.exists(), "{failpoint} was not reached: {}", ended.stderr);
}

fn says(bench: &Bench) -> Vec<String> {
    rows(bench, "SELECT version, dirty FROM schema_migrations")
}

#[test]
fn a_transaction_is_in_both_or_in_neither() {
    for failpoint in ATOMIC {
        let bench = migrate("killed");
        bench.must(&["import"]);
        killed(&bench, failpoint);
        let both = match own(&bench).len() {
            2 => "2 f",
            _ => "3 f",
        };
        // COMMIT may be on its way.
        if *failpoint != "atomic.commit-sent" {
            assert_eq!(says(&bench), [both], "{failpoint}");
        }
        bench.must(&["apply", "--lock-wait", "30s"]);
        assert_eq!(
            (says(&bench), own(&bench)),
            (vec!["3 f".to_owned()], vec!["1".into(), "2".into(), "3".into()])
        );
        bench.assert_sound();
    }
}

#[test]
fn what_is_outside_of_a_transaction_is_marked_until_it_has_ended() {
    for failpoint in LOOSE {
        let bench = migrate("killed_loose");
        bench.file("3_c.up.sql", "CREATE INDEX CONCURRENTLY ic ON a (id);\n");
        bench.file("3_c.down.sql", "DROP INDEX CONCURRENTLY ic;\n");
        bench.must(&["import"]);
        killed(&bench, failpoint);
        assert_eq!(says(&bench), ["3 t"], "{failpoint}: golang-migrate is not to begin now");
        bench.must(&["status"]);
        bench.must(&["apply", "--lock-wait", "30s"]);
        assert_eq!((says(&bench), own(&bench).len()), (vec!["3 f".to_owned()], 3), "{failpoint}");
        bench.assert_sound();
    }
}
