//! What the spec wants watched, and what becomes of a run that breaches it.

use serde_json::json;

use crate::pod::{Pod, TABLE, WIDER};

fn overruns(name: &str) -> Pod {
    let mut pod = Pod::new(name);
    pod.bench.query(TABLE);
    pod.spec["migration"]["strategy"] = json!("shadow-table");
    pod.spec["cutover"] = json!({ "mode": "manual" });
    pod.spec["validation"] =
        json!({ "performanceThresholds": { "maxMigrationTime": "3s", "maxDowntime": "30s" } });
    pod.script("wider", WIDER);
    pod
}

#[test]
fn a_run_that_overruns_is_taken_back() {
    let pod = overruns("overruns");
    let outcome = pod.ends(&[], 6, "RolledBack", "DeadlineExceeded");
    assert!(
        outcome["message"].as_str().unwrap().contains("maxMigrationTime 3.0 s: the run began"),
        "{outcome:#}"
    );
    assert_eq!(pod.status()["stage"], "RolledBack");
    pod.bench.assert_sound();
}

#[test]
fn without_automatic_rollback_a_person_decides() {
    let mut pod = overruns("overruns_waits");
    pod.spec["rollback"] = json!({ "automatic": false });
    let outcome = pod.ends(&[], 7, "Stuck", "PostCheckFailed");
    assert!(outcome["message"].as_str().unwrap().contains("cofferdam rollback"), "{outcome:#}");
    assert_eq!(pod.one("SELECT count(*) FROM cofferdam.run WHERE ended_at IS NULL"), "1");
}
