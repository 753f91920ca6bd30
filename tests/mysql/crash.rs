//! The runner dies, fails or hangs at every failpoint that a migration comes by, each time that it does; the same command,
//! run again, ends as it would have ended, and nothing was done twice.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use cofferdam_core::failpoint::FAILPOINTS;
use cofferdam_scratch::mysql::Kind;

use crate::site::{Site, server};
use crate::support::{Ended, until, wait};

on_both! {
    killed_going_forward,
    failing_going_forward,
    hanging_going_forward,
    killed_taking_back,
    failing_taking_back,
    killed_rolling_back,
    what_leaves_no_mark_is_asked_of_a_person,
}

/// What is done to what, and how it ends when nothing disturbs it.
struct Scenario {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    /// Commands that come before.
    before: &'static [&'static [&'static str]],
    /// What is disturbed, and then run again.
    command: &'static [&'static str],
    /// What finishes it.
    again: &'static [&'static str],
    /// The exit code of an undisturbed run, and of the one after a disturbed run.
    code: i32,
}

const FIRST: (&str, &str) = (
    "V1__ledger.sql",
    "CREATE TABLE ledger (id int AUTO_INCREMENT PRIMARY KEY, what varchar(20) NOT NULL);\n\
     CREATE TABLE t (id int PRIMARY KEY, a int, b int);\nINSERT INTO t VALUES (1, 1, 1), (2, 2, 2);\n",
);

/// Statements that commit by themselves before, between and after transactions, and a file of rows alone. `ledger` counts
/// executions; a change of the schema that is made twice fails.
const FORWARD: Scenario = Scenario {
    name: "forward",
    files: &[
        FIRST,
        (
            "V2__apart.sql",
            "ALTER TABLE t ADD COLUMN c int;\nCREATE INDEX t_a ON t (a);\nINSERT INTO ledger (what) VALUES ('two');\n",
        ),
        (
            "V3__rows.sql",
            "INSERT INTO ledger (what) VALUES ('three a');\nINSERT INTO ledger (what) VALUES ('three b');\n",
        ),
        (
            "V4__table.sql",
            "CREATE TABLE u (id int PRIMARY KEY);\nINSERT INTO u VALUES (1);\nCREATE TABLE v (id int PRIMARY KEY);\n\
             ALTER TABLE t RENAME COLUMN b TO d;\n",
        ),
    ],
    before: &[&["apply", "--to", "1"]],
    command: &["apply", "--allow", "rename-column=nobody reads it"],
    again: &["apply", "--allow", "rename-column=nobody reads it"],
    code: 0,
};

/// The third statement cannot hold, so what the first two did is taken back.
const BACKWARD: Scenario = Scenario {
    name: "backward",
    files: &[
        FIRST,
        (
            "V2__cannot.sql",
            "CREATE INDEX t_a ON t (a);\nALTER TABLE t ADD COLUMN c int;\n\
             ALTER TABLE t ADD CONSTRAINT small CHECK (a < 2);\n",
        ),
    ],
    before: &[&["apply", "--to", "1"]],
    command: &["apply", "--allow", "add-check-copy=small"],
    again: &["apply", "--allow", "add-check-copy=small"],
    code: 6,
};

/// A migration that was applied is taken back by what was stored with it. Whatever comes next finishes it.
const ROLLBACK: Scenario = Scenario {
    name: "rollback",
    files: &[
        FIRST,
        (
            "V2__more.sql",
            "ALTER TABLE t ADD COLUMN c int;\nCREATE INDEX t_a ON t (a);\nALTER TABLE t RENAME COLUMN b TO d;\n",
        ),
    ],
    before: &[&["apply", "--allow", "rename-column=nobody reads it"]],
    command: &["rollback", "--yes", "--to", "1"],
    again: &["rollback", "--yes", "--to", "1"],
    code: 0,
};

fn site(kind: Kind, scenario: &Scenario) -> Option<Site> {
    let site = Site::with(kind, scenario.name, scenario.files)?;
    scenario.before.iter().for_each(|command| {
        site.must(command);
    });
    Some(site)
}

#[derive(Debug, PartialEq)]
struct State {
    schema: Vec<String>,
    history: Vec<(String, String)>,
    executions: Vec<Vec<String>>,
    rows: Vec<Vec<String>>,
}

fn state(site: &Site) -> State {
    State {
        schema: site.schema().into_iter().map(|table| without_counter(&table)).collect(),
        history: site.history(),
        executions: site.query("SELECT what, COUNT(*) FROM ledger GROUP BY what ORDER BY what"),
        rows: site.query("SELECT id, a FROM t ORDER BY id"),
    }
}

/// A number that was given to a row whose transaction went back is not given again.
pub(crate) fn without_counter(create: &str) -> String {
    let words = create.split(' ').filter(|word| !word.starts_with("AUTO_INCREMENT="));
    words.collect::<Vec<_>>().join(" ")
}

/// Runs it with this failpoint armed. `false`: it does not come by so often.
fn disturbed(site: &Site, scenario: &Scenario, failpoint: &str, action: &str, nth: u32) -> bool {
    let mark = site.folder.path().join("reached");
    let mut command = site.command(scenario.command);
    command
        .env("COFFERDAM_FAILPOINT", format!("{failpoint}={action}@{nth}"))
        .env("COFFERDAM_FAILPOINT_REACHED", &mark)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    if action == "hang" {
        until("the failpoint is reached, or it ends", || mark.exists() || is_gone(child.id()));
        if mark.exists() {
            // While it hangs it holds the lock, and nobody else may act; whoever tries is told who it is.
            let other = site.run(&[scenario.again, &["--lock-wait", "200ms"]].concat());
            let told = other.code == 5 && other.stderr.contains("CF2304");
            // After the last commit there is nothing left that the lock could keep anybody from.
            let too_late = other.code == 0 && failpoint == "run.done";
            assert!(told || too_late, "{failpoint}@{nth}: {other:?}");
        }
        let _ = child.kill();
    }
    let ended = wait(child);
    let reached = mark.exists();
    if reached {
        assert_ne!(ended.code, 0, "{failpoint}={action}@{nth} was reached and the run ended well");
    } else {
        assert_eq!(ended.code, scenario.code, "{failpoint}={action}@{nth}\n{}", ended.stderr);
    }
    reached
}

/// Whether the process is gone, without taking its status.
fn is_gone(pid: u32) -> bool {
    std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
        .map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

fn again(site: &Site, scenario: &Scenario) -> Ended {
    site.run(&[scenario.again, &["--lock-wait", "60s"]].concat())
}

/// The failpoints of the write path: those of other features have suites of their own.
fn points() -> Vec<&'static str> {
    let groups = ["claim.", "run.", "atomic.", "loose.", "undo."];
    let names = FAILPOINTS.iter().map(|(name, _)| *name);
    names.filter(|name| groups.iter().any(|group| name.starts_with(group))).collect()
}

/// Every failpoint, each time that the command comes by, or the first `times` of them. Gives those that were reached.
fn matrix(kind: Kind, scenario: &Scenario, action: &str, times: u32) -> Vec<&'static str> {
    if server(kind).is_none() {
        return points();
    }
    let undisturbed = site(kind, scenario).unwrap();
    let ended = again(&undisturbed, scenario);
    assert_eq!(ended.code, scenario.code, "{}\n{}", ended.stdout, ended.stderr);
    let expected = state(&undisturbed);
    undisturbed.assert_sound();

    let points = points();
    let next = AtomicUsize::new(0);
    let reached = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                while let Some(failpoint) = points.get(next.fetch_add(1, Ordering::SeqCst)) {
                    for nth in 1..=times {
                        let site = site(kind, scenario).unwrap();
                        if !disturbed(&site, scenario, failpoint, action, nth) {
                            break;
                        }
                        reached.lock().unwrap().push(*failpoint);
                        let case = format!("{failpoint}={action}@{nth}");
                        let ended = again(&site, scenario);
                        // A run that failed is over once it is taken back: if that was the last thing that was missing,
                        // it is begun anew, and fails again.
                        assert_eq!(ended.code, scenario.code, "{case}\n{}\n{}", ended.stdout, ended.stderr);
                        assert_eq!(state(&site), expected, "{case}");
                        site.assert_sound();
                    }
                }
            });
        }
    });
    let mut reached = reached.into_inner().unwrap();
    reached.sort_unstable();
    reached.dedup();
    reached
}

/// More often than any of the scenarios comes by.
const EVERY: u32 = 40;

fn killed_going_forward(kind: Kind) {
    let reached = matrix(kind, &FORWARD, "kill", EVERY);
    let not: Vec<&str> =
        points().into_iter().filter(|name| !name.starts_with("undo.") && !reached.contains(name)).collect();
    assert!(not.is_empty(), "no migration comes by {not:?}");
}

fn failing_going_forward(kind: Kind) {
    matrix(kind, &FORWARD, "error", 2);
}

fn hanging_going_forward(kind: Kind) {
    matrix(kind, &FORWARD, "hang", 1);
}

fn killed_taking_back(kind: Kind) {
    let reached = matrix(kind, &BACKWARD, "kill", EVERY);
    let not: Vec<&str> =
        points().into_iter().filter(|name| name.starts_with("undo.") && !reached.contains(name)).collect();
    assert!(not.is_empty(), "no way back comes by {not:?}");
}

fn failing_taking_back(kind: Kind) {
    matrix(kind, &BACKWARD, "error", 2);
}

fn killed_rolling_back(kind: Kind) {
    matrix(kind, &ROLLBACK, "kill", EVERY);
}

/// `CREATE TABLE ... AS SELECT` may be there because of us or because of somebody else: a person says which, and then the
/// run goes on; it is not carried out twice.
fn what_leaves_no_mark_is_asked_of_a_person(kind: Kind) {
    for (failpoint, done) in [("loose.began", false), ("loose.performed", true)] {
        let Some(site) = Site::with(kind, "marks", &[FIRST]) else { return };
        site.must(&["apply"]);
        site.file(
            "V2__copy.sql",
            "CREATE TABLE copy AS SELECT * FROM t;\nINSERT INTO ledger (what) VALUES ('two');\n",
        );
        let mut command = site.command(&["apply"]);
        command.env("COFFERDAM_FAILPOINT", format!("{failpoint}=kill"));
        assert_ne!(crate::support::ended(&mut command).code, 0);
        let asked = site.run(&["apply", "--lock-wait", "60s"]);
        assert_eq!(asked.code, 7, "{}\n{}", asked.stdout, asked.stderr);
        assert!(asked.stderr.contains("step-done|step-not-done"), "{}", asked.stderr);
        assert_eq!(site.tables().contains(&"copy".to_owned()), done, "{failpoint}");
        let run = site.one("SELECT id FROM _cofferdam_run WHERE ended_at IS NULL");
        site.must(&["repair", &run, "--says", if done { "step-done" } else { "step-not-done" }]);
        site.must(&["apply"]);
        assert_eq!(site.one("SELECT COUNT(*) FROM copy"), "2", "{failpoint}");
        assert_eq!(site.one("SELECT COUNT(*) FROM ledger WHERE what = 'two'"), "1", "{failpoint}");
        assert_eq!(site.history().len(), 2);
        site.assert_sound();
    }
}
