//! Objects that a newer or an older version has written.

use serde_json::json;

use super::*;
use crate::migration::Guarded;

#[test]
fn what_a_newer_version_wrote_is_left_as_it_is() {
    let seen = seen(migration(|m| {
        m["spec"]["newer"] = json!({ "a": 1 });
        m["spec"]["runner"] = json!({ "newer": true });
        m["status"] = json!({ "observedGeneration": 2, "phase": "Pending", "newer": "kept", "conditions": [{
            "type": "Newer", "status": "True", "reason": "Kept", "message": "",
            "lastTransitionTime": "2026-11-21T09:00:00Z",
        }] });
    }));
    let decision = decided(&seen);
    assert_eq!(decision.reason, Reason::JobPending);
    // It is applied as a field manager, so what is not in it stays with whoever owns it.
    let report = serde_json::to_value(Report::of(&seen.migration, &decision, seen.now)).unwrap();
    assert!(report.get("newer").is_none());
    let kinds: Vec<&str> =
        report["conditions"].as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Ready", "Progressing", "Stalled"]);
}

#[test]
fn one_that_cannot_be_read_does_not_hide_the_others() {
    let one = serde_json::to_value(migration(|_| {})).unwrap();
    let mut newer = one.clone();
    newer["metadata"]["name"] = json!("newer");
    newer["spec"]["database"]["type"] = json!("clickhouse");
    let list: Vec<Guarded> = serde_json::from_value(json!([newer, one])).unwrap();
    assert_eq!(list[0].0.as_ref().unwrap_err().metadata.name.as_deref(), Some("newer"));
    assert!(list[1].0.is_ok());
}
