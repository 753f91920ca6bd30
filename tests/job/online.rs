//! Online changes: killed, stopped, suspended, taken back, finished.

use serde_json::json;

use crate::pod::{Pod, TABLE, WIDER};
use crate::support::until;

fn wider(name: &str) -> Pod {
    let mut pod = Pod::new(name);
    pod.bench.query(TABLE);
    pod.spec["migration"]["strategy"] = json!("shadow-table");
    pod.script("wider", WIDER);
    pod
}

fn type_of_id(pod: &Pod) -> String {
    pod.one("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'id'")
}

fn nothing_left(pod: &Pod) {
    assert_eq!(pod.one("SELECT count(*) FROM pg_namespace WHERE nspname ~ '^cofferdam_(new|old)_'"), "0");
    pod.bench.assert_sound();
}

#[test]
fn killed_in_the_copy_it_goes_on_and_is_in_its_revert_window() {
    let pod = wider("killed");
    let held = pod.held(&[], "online.copy.begun");
    held.kill();
    let outcome = pod.ends(&[], 0, "Succeeded", "RevertWindowOpen");
    let until: jiff::Timestamp = outcome["revertibleUntil"].as_str().unwrap().parse().unwrap();
    let hours = (until.as_second() - jiff::Timestamp::now().as_second()) as f64 / 3600.0;
    assert!((23.0..25.0).contains(&hours), "{hours}");
    let status = pod.status();
    assert_eq!(
        (&status["stage"], &status["shadowTable"]["syncStatus"]),
        (&json!("Watching"), &json!("Swapped"))
    );
    assert!(status["shadowTable"]["name"].as_str().unwrap().starts_with("cofferdam_old_"), "{status:#}");
    assert!(status["revertibleUntil"].is_string() && status["completionTime"].is_string());
    assert_eq!(status["progress"]["percent"], 100);
    assert_eq!(pod.condition("Verified").0, "True");
    assert_eq!(pod.condition("Reversible"), ("True".into(), "RevertWindowOpen".into()));
    assert_eq!(type_of_id(&pod), "bigint");

    // The next Pod of the same object leaves the window open.
    pod.ends(&[], 0, "Succeeded", "RevertWindowOpen");
    pod.bench.query("UPDATE t SET note = 'since' WHERE id = 10");
    pod.ends(&["--work", "rollback"], 0, "Succeeded", "RolledBack");
    assert_eq!(type_of_id(&pod), "integer");
    assert_eq!(pod.one("SELECT note FROM t WHERE id = 10"), "since");
    assert_eq!(pod.condition("Reversible").0, "False");
    assert_eq!(pod.status()["stage"], "RolledBack");
    assert!(pod.status()["revertibleUntil"].is_null());
    nothing_left(&pod);
    // Asked for once more there is nothing left to do.
    pod.ends(&["--work", "rollback"], 0, "Succeeded", "RolledBack");
}

#[test]
fn the_window_is_ended_when_that_is_asked() {
    let pod = wider("finalized");
    pod.ends(&[], 0, "Succeeded", "RevertWindowOpen");
    pod.ends(&["--work", "finalize"], 0, "Succeeded", "MigrationComplete");
    pod.ends(&["--work", "finalize"], 0, "Succeeded", "MigrationComplete");
    assert_eq!(pod.condition("Reversible"), ("False".into(), "MigrationComplete".into()));
    assert_eq!(type_of_id(&pod), "bigint");
    nothing_left(&pod);
    // From here on there is no way back.
    let outcome = pod.run(&["--work", "rollback"]);
    assert_ne!(outcome.code, 0);
    assert_eq!(pod.outcome()["reason"], "RollbackUnsafe");
    assert_eq!(type_of_id(&pod), "bigint");
}

#[test]
fn without_a_window_it_ends_at_once() {
    let mut pod = wider("at_once");
    pod.spec["rollback"] = json!({ "window": "0s" });
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    nothing_left(&pod);
}

/// The next script is about the table whose revert window is open: it ends, because both were asked for.
#[test]
fn a_script_about_the_same_table_ends_the_window_before_it() {
    let mut pod = wider("same_table");
    pod.script("data", "UPDATE t SET note = 'data' WHERE id = 10;\n")["type"] = json!("data");
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(pod.applied(), ["same-table/wider", "same-table/data"]);
    assert_eq!(pod.one("SELECT note FROM t WHERE id = 10"), "data");
    nothing_left(&pod);
}

/// Each way to stop before the swap, at a gate that nobody opens, and what comes after it.
#[test]
fn stopped_at_a_safe_point_it_goes_on() {
    for way in ["TERM", "suspend", "delete"] {
        let mut pod = wider(&format!("stop_{}", way.to_lowercase()));
        pod.spec["cutover"] = json!({ "mode": "manual" });
        let held = pod.start(&[]);
        until("it stands at the gate", || pod.status()["stage"] == "Ready");
        match way {
            "TERM" => held.signal("TERM"),
            "suspend" => {
                pod.spec["suspend"] = json!(true);
                pod.put();
            }
            _ => std::fs::remove_file(pod.object()).unwrap(),
        }
        let ended = held.end();
        assert_eq!(ended.code, if way == "TERM" { 130 } else { 0 }, "{way}: {}", ended.stderr);
        assert_eq!(pod.outcome()["ended"], "Stopped", "{way}");
        assert!(pod.status()["completionTime"].is_null(), "{way}");
        let began = pod.status()["startTime"].clone();
        if way == "suspend" {
            // None is begun either.
            pod.ends(&[], 0, "Stopped", "Suspended");
            pod.spec["suspend"] = json!(false);
        }
        // The stored plan waits for a person; the object does not want that any more.
        pod.spec["cutover"] = json!({ "mode": "auto" });
        pod.ends(&[], 0, "Succeeded", "RevertWindowOpen");
        assert_eq!(pod.status()["startTime"], began);
        assert_eq!(type_of_id(&pod), "bigint");
    }
}

/// The person who is waited for changes the object, and the run that waits goes on.
#[test]
fn the_gate_opens_when_the_object_says_so() {
    let mut pod = wider("gate");
    pod.spec["cutover"] = json!({ "mode": "manual" });
    let held = pod.start(&[]);
    until("it stands at the gate", || pod.status()["stage"] == "Ready");
    assert_eq!(pod.status()["shadowTable"]["syncStatus"], "InSync");
    pod.spec["cutover"] = json!({ "mode": "auto" });
    pod.put();
    let ended = held.end();
    assert_eq!(
        (ended.code, pod.outcome()["reason"].as_str()),
        (0, Some("RevertWindowOpen")),
        "{}",
        ended.stderr
    );
}

/// The Pod of the Job before this one has not let go yet.
#[test]
fn a_rollback_waits_for_the_runner_before_it() {
    let pod = wider("waits");
    pod.ends(&[], 0, "Succeeded", "RevertWindowOpen");
    let mut other = pod.beside("before");
    other.script("b", "CREATE TABLE b (id int);\n");
    let holds = other.held(&[], "claim.locked");
    let held = pod.start(&["--work", "rollback"]);
    until("it says so", || {
        pod.status()["progress"]["blockedBy"].as_str().is_some_and(|text| text.starts_with("LockHeldByOther"))
    });
    holds.kill();
    let ended = held.end();
    assert_eq!((ended.code, pod.outcome()["reason"].as_str()), (0, Some("RolledBack")), "{}", ended.stderr);
    assert_eq!(type_of_id(&pod), "integer");
}

#[test]
fn a_change_before_its_swap_is_given_up_by_a_rollback() {
    let mut pod = wider("given_up");
    pod.spec["cutover"] = json!({ "mode": "manual" });
    let held = pod.start(&[]);
    until("it stands at the gate", || pod.status()["stage"] == "Ready");
    held.signal("TERM");
    held.end();
    pod.ends(&["--work", "rollback"], 0, "Succeeded", "RolledBack");
    assert_eq!(type_of_id(&pod), "integer");
    nothing_left(&pod);
}
