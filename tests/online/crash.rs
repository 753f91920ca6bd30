//! The program dies, fails or hangs at every failpoint of an online change; the same command, run again, ends right.
//!
//! The cases are made from the list of failpoints: one that no command reaches fails the test.

use std::process::Stdio;

use cofferdam_core::failpoint::FAILPOINTS;

use crate::logical::LOGICAL;
use crate::place::{FINALIZE, Place, ROLLBACK, TABLE, WIDER};
use crate::support::{each, until, wait};

/// The commands of a change from its beginning to one of its two ends.
const WAYS: &[&[&[&str]]] = &[
    &[&["alter", "--table", "t", "--lock-wait", "30s", "--yes", WIDER], ROLLBACK],
    &[&["alter", "--table", "t", "--lock-wait", "30s", "--yes", WIDER], FINALIZE],
];

/// A table that refers to the changed one.
const CHILD: &str = "CREATE TABLE child_of_{t} (id int PRIMARY KEY, of int REFERENCES {t} ON DELETE CASCADE);
 INSERT INTO child_of_{t} SELECT i, i * 10 FROM generate_series(1, 50) i";

/// The way of a change whose keys come from a logical slot.
const BY_SLOT: &[&[&str]] =
    &[&["alter", "--table", "t", "--capture", "logical", "--lock-wait", "30s", "--yes", WIDER], ROLLBACK];

fn all_points() -> impl Iterator<Item = &'static str> {
    FAILPOINTS.iter().map(|(name, _)| *name).filter(|name| name.starts_with("online."))
}

/// Those that every change passes.
fn points() -> Vec<&'static str> {
    all_points().filter(|name| !name.starts_with("online.slot")).collect()
}

/// Those that a change may pass more than once.
const AGAIN: &[&str] = &["online.copy.", "online.apply.", "online.compare.", "online.index.built"];

fn again(point: &str) -> bool {
    AGAIN.iter().any(|again| point.starts_with(again))
}

/// The slot is read by a stream of its own, which is begun again where it broke: the command does not notice.
fn heals(point: &str, action: &str) -> bool {
    point == "online.slot.logged" && action == "error"
}

/// Runs a command that is disturbed at a failpoint; whether it came there.
fn disturbed(place: &Place, arguments: &[&str], failpoint: &str, action: &str, nth: u32) -> bool {
    let mark = place.bench.folder.path().join("reached");
    let _ = std::fs::remove_file(&mark);
    let mut command = place.bench.command(arguments);
    command
        .env("COFFERDAM_FAILPOINT", format!("{failpoint}={action}@{nth}"))
        .env("COFFERDAM_FAILPOINT_REACHED", &mark)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    if action == "hang" {
        until("the failpoint is reached, or the command has ended", || mark.exists() || ended(child.id()));
        if mark.exists() {
            // Nobody else may act meanwhile, and whoever tries is told so.
            let other = place.run(&["alter", "--table", "t", "--lock-wait", "200ms", "--yes", WIDER]);
            child.kill().unwrap();
            // But where the table is locked: there the server ends a session that sleeps, so that it is not locked for
            // ever, and whoever comes next goes on.
            let locked = failpoint.starts_with("online.swap") || failpoint == "online.capture.before-commit";
            let may = other.code == 5 || (other.code == 0 && locked);
            assert!(may, "{failpoint}@{nth}: {other:?}");
        }
    }
    let ended = wait(child);
    if mark.exists() {
        let heals = heals(failpoint, action);
        assert_eq!(
            ended.code == 0,
            heals,
            "{failpoint}={action}@{nth} was reached in {}: {ended:?}",
            arguments[0]
        );
    } else {
        assert_eq!(ended.code, 0, "{failpoint}={action}@{nth} was not reached\n{}", ended.stderr);
    }
    mark.exists()
}

fn ended(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_or(true, |s| s.rsplit(')').next().is_some_and(|r| r.trim_start().starts_with('Z')))
}

/// A way with one disturbance; whether its place was reached. `original`: the schema without any change.
fn one(place: &Place, original: &str, way: &[&[&str]], (failpoint, action, nth): (&str, &str, u32)) -> bool {
    let mut reached = false;
    for (step, arguments) in way.iter().enumerate() {
        // Something to apply at every step.
        place.both(&format!("UPDATE {{t}} SET note = 'step {step}' WHERE id % 70 = 0; DELETE FROM {{t}} WHERE id = 100 + 10 * {step}"));
        let case = format!("{failpoint}={action}@{nth} in {}", arguments[0]);
        // A run that has ended is still found by its id.
        let run = if step == 0 { String::new() } else { place.run_id() };
        let arguments: Vec<&str> = arguments
            .iter()
            .map(|argument| if step > 0 && *argument == "t" { &run } else { *argument })
            .collect();
        let arguments = &arguments[..];
        if reached || !disturbed(place, arguments, failpoint, action, nth) {
            if reached {
                place.must(arguments);
            }
        } else {
            reached = true;
            if heals(failpoint, action) {
                place.same(&case);
                continue;
            }
            place.both("UPDATE {t} SET note = 'after the disturbance' WHERE id % 90 = 0");
            let again = place.run(arguments);
            assert_eq!(again.code, 0, "{case}\n{}", again.stderr);
        }
        place.same(&case);
    }
    place.nothing_left();
    if way[1] == ROLLBACK {
        assert_eq!(place.dump(), original);
    }
    let verified = place.run(&["verify", "-o", "json"]);
    assert_eq!(verified.code, 0, "{}\n{}", verified.stdout, verified.stderr);
    reached
}

/// `times`: at which passing of a place it is disturbed.
fn matrix(action: &str, times: &[u32]) {
    let mut cases = Vec::new();
    for nth in times {
        cases.extend(
            points().into_iter().filter(|point| *nth == 1 || again(point)).map(|point| (point, *nth)),
        );
    }
    let schema = format!("{TABLE}; {CHILD}");
    each(
        &cases,
        |(point, nth)| format!("{point}={action}@{nth}"),
        |(point, nth)| {
            let mut reached = false;
            for way in WAYS {
                let place = Place::new("crash", &schema);
                reached |= one(&place, &place.dump(), way, (point, action, *nth));
            }
            // Not every place is passed twice, but each once.
            assert!(*nth > 1 || reached, "no command reaches {point}");
        },
    );
}

#[test]
fn trap_56_disturbed_while_a_slot_is_read() {
    for point in all_points().filter(|point| point.starts_with("online.slot")) {
        for action in ["kill", "error"] {
            let place = Place::alone("crash_slot", LOGICAL, TABLE);
            let original = place.dump();
            if point == "online.slot.logged" {
                // What is written from now on comes from the slot.
                place.held(BY_SLOT[0], "online.copy.begun").kill();
            }
            assert!(one(&place, &original, BY_SLOT, (point, action, 1)), "{point}={action} is not reached");
        }
    }
}

#[test]
fn trap_56_killed_anywhere() {
    matrix("kill", &[1, 2]);
}

#[test]
fn trap_56_failing_anywhere() {
    matrix("error", &[1]);
}

#[test]
fn trap_56_hanging_anywhere() {
    matrix("hang", &[1]);
}

/// On the way back the same places are passed in the other direction.
#[test]
fn trap_56_killed_on_the_way_back() {
    let cases: Vec<&str> = points()
        .into_iter()
        .filter(|point| point.starts_with("online.swap") || point.starts_with("online.apply"))
        .collect();
    each(
        &cases,
        |point| (*point).to_owned(),
        |point| {
            for action in ["kill", "error"] {
                let place = Place::new("back", TABLE);
                place.must(&place.alter(WIDER, &[]));
                place.both("UPDATE {t} SET note = 'in the revert window' WHERE id % 30 = 0; DELETE FROM {t} WHERE id % 170 = 0");
                assert!(disturbed(&place, ROLLBACK, point, action, 1), "a rollback does not come to {point}");
                place.both("UPDATE {t} SET note = 'after the disturbance' WHERE id % 90 = 0");
                place.rollback();
                place.same(point);
                place.nothing_left();
            }
        },
    );
}

/// The server process of a program that was killed still makes an index when the next one wants to: that one waits,
/// and takes what was made.
#[test]
fn an_index_that_a_killed_runner_has_made_meanwhile() {
    let place = Place::new("orphan", TABLE);
    let alter = place.alter(WIDER, &["--cutover", "manual"]);
    place.held(&alter, "online.copy.whole").kill();
    let schema = place.one("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cofferdam\\_new\\_%'");
    let orphan = place.app();
    orphan.run(&format!("BEGIN; CREATE INDEX t_n_idx ON {schema}.t (n)"));
    let mut held = place.start(&alter);
    held.until("it waits for the other", || {
        place.one(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'cofferdam index%'
             AND wait_event_type = 'Lock' AND datname = current_database()",
        ) == "1"
    });
    orphan.run("COMMIT");
    held.until("it waits for the cutover", || place.doing().contains("waiting for the cutover"));
    place.cut_over(held);
    place.same("after the swap");
    place.rollback();
    place.nothing_left();
}

/// Whoever looks sees what earlier runners did, too.
#[test]
fn progress_goes_on_from_where_it_was() {
    let place = Place::new("progress", TABLE);
    let alter = place.alter(WIDER, &[]);
    place.held(&alter, "online.copy.committed@1").kill();
    let rows = || place.one("SELECT progress->>'rows' FROM cofferdam.online").parse::<u64>().unwrap_or(0);
    place.query("UPDATE cofferdam.online SET progress = '{}'");
    place.must(&["pause", "t"]);
    let otherwise = place.must(&place.alter(WIDER, &["--cutover", "manual", "--dry-run"])).stderr;
    assert!(otherwise.contains("as planned: cutover auto, not manual\n"), "{otherwise}");
    let mut held = place.start(&alter);
    held.until("what was copied before is seen", || rows() > 0);
    let part = rows();
    assert!(part < u64::from(crate::place::ROWS), "{part}");
    place.must(&["resume", "t"]);
    assert_eq!(held.end().code, 0);
    place.same("after the swap");
}
