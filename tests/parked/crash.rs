//! A process that dies in between.

use std::process::Stdio;

use cofferdam_core::failpoint::FAILPOINTS;

use crate::support::{Bench, each, wait};
use crate::{parked, rows, schema, shop};

const KEPT: &str = "DROP TABLE orders;\nALTER TABLE users DROP COLUMN name;";

/// Runs a command that dies at a place, and then the same command to its end.
fn dies(bench: &Bench, point: &str, action: &str, arguments: &[&str]) {
    let mut command = bench.command(arguments);
    command.env("COFFERDAM_FAILPOINT", format!("{point}={action}"));
    let killed = wait(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert_ne!(killed.code, 0, "{point} was not reached\n{}", killed.stderr);
}

const PARKING: &[&str] = &[
    "atomic.begun",
    "atomic.statement",
    "park.tried",
    "park.moved",
    "park.moved=2",
    "atomic.before-commit",
    "atomic.commit-sent",
    "atomic.committed",
    "run.done",
];

const UNDROPPING: &[&str] = &[
    "undrop.moved",
    "undrop.done",
    "atomic.before-commit",
    "atomic.commit-sent",
    "atomic.committed",
    "loose.began",
    "undrop.validated",
    "loose.performed",
    "run.before-done",
    "run.done",
];

const DISCARDING: &[&str] =
    &["discard.dropped", "atomic.before-commit", "atomic.commit-sent", "atomic.committed", "run.done"];

#[test]
fn every_failpoint_of_parking_is_reached_here() {
    let of = |name: &str| ["park.", "undrop.", "discard."].iter().any(|group| name.starts_with(group));
    for (name, _) in FAILPOINTS.iter().filter(|(name, _)| of(name)) {
        assert!([PARKING, UNDROPPING, DISCARDING].iter().any(|list| list.contains(name)), "{name}");
    }
}

#[test]
fn parking_goes_on_or_begins_again() {
    each(
        PARKING,
        |point| (*point).to_owned(),
        |point| {
            let (name, nth) = point.split_once('=').map_or((*point, ""), |(name, nth)| (name, nth));
            for action in ["kill", "error"] {
                let bench = shop(&format!("parked_dies_{action}_{}", name.replace(['.', '-'], "_")), KEPT);
                let before = (schema(&bench), rows(&bench, "orders"), rows(&bench, "users"));
                let action = if nth.is_empty() { action.to_owned() } else { format!("{action}@{nth}") };
                dies(&bench, name, &action, &["apply", "--park"]);
                bench.must(&["apply", "--park", "--lock-wait", "30s"]);
                assert_eq!(parked(&bench).len(), 2, "{point}");
                assert_eq!(bench.history().len(), 1, "{point}");
                bench.must(&["rollback", "--yes"]);
                assert_eq!(
                    (schema(&bench), rows(&bench, "orders"), rows(&bench, "users")),
                    before,
                    "{point}"
                );
                bench.assert_sound();
            }
        },
    );
}

#[test]
fn undropping_goes_on_or_begins_again() {
    each(
        UNDROPPING,
        |point| (*point).to_owned(),
        |point| {
            for (way, arguments) in
                [("undrop", &["undrop", "orders"][..]), ("rollback", &["rollback", "--yes"])]
            {
                let bench = shop(
                    &format!("parked_back_{way}_{}", point.replace(['.', '-'], "_")),
                    "DROP TABLE orders;",
                );
                let before = (schema(&bench), rows(&bench, "orders"));
                bench.must(&["apply", "--park"]);
                dies(&bench, point, "kill", arguments);
                // Whatever comes next finishes what was cut off.
                bench.must(&["apply", "--park", "--lock-wait", "30s", "--to", "1"]);
                if parked(&bench).len() == 1 {
                    bench.must(&["undrop", "orders"]);
                }
                assert_eq!((schema(&bench), rows(&bench, "orders")), before, "{way} {point}");
                bench.assert_sound();
            }
        },
    );
}

#[test]
fn dropping_for_good_goes_on_or_begins_again() {
    each(
        DISCARDING,
        |point| (*point).to_owned(),
        |point| {
            let bench = shop(&format!("parked_gone_{}", point.replace(['.', '-'], "_")), KEPT);
            bench.must(&["apply", "--park"]);
            let all = &["finalize", "--parked", "orders", "--yes"];
            dies(&bench, point, "kill", all);
            bench.must(&["apply", "--lock-wait", "30s"]);
            if parked(&bench).len() == 2 {
                bench.must(all);
            }
            assert_eq!(parked(&bench).len(), 1, "{point}");
            bench.must(&["undrop", "users.name"]);
            bench.assert_sound();
        },
    );
}
