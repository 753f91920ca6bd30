//! Approval.

use serde_json::json;

use crate::pod::Pod;

#[test]
fn a_plan_waits_for_its_approval_and_for_no_other() {
    let mut pod = Pod::new("consent");
    pod.script("a", "CREATE TABLE a (id int);\n");
    pod.spec["approval"] = json!({ "required": true });
    let outcome = pod.ends(&[], 0, "WaitsForApproval", "ApprovalPending");
    let digest = outcome["planDigest"].as_str().unwrap().to_owned();
    assert_eq!(pod.status()["planDigest"], json!(digest));
    assert_eq!(pod.condition("Planned").0, "True");
    assert!(pod.status()["startTime"].is_null());
    assert_eq!(pod.one("SELECT count(*) FROM pg_namespace WHERE nspname = 'cofferdam'"), "0");

    let other = format!("sha256:{}", "0".repeat(64));
    let said = pod.run(&[]).stderr;
    assert!(said.contains("plan: consent/a step 1: create table a"), "{said}");
    let outcome = pod.ends(&["--approved", &other], 2, "Refused", "PlanChanged");
    assert!(outcome["message"].as_str().unwrap().contains(&digest), "{outcome:#}");
    // The source changes after the approval.
    pod.script("b", "CREATE TABLE b (id int);\n");
    pod.ends(&["--approved", &digest], 2, "Refused", "PlanChanged");
    let list = pod.spec["migration"]["scripts"].as_array_mut().unwrap();
    list.pop();
    pod.ends(&["--approved", &digest], 0, "Succeeded", "MigrationComplete");
    assert_eq!(pod.applied(), ["consent/a"]);
}

/// The Pod that goes on has less to do than was agreed to.
#[test]
fn what_was_agreed_to_is_gone_on_with_after_a_crash() {
    let mut pod = Pod::new("agreed");
    pod.script("a", "CREATE TABLE a (id int);\n");
    pod.script("b", "CREATE TABLE b (id int);\n");
    pod.spec["approval"] = json!({ "required": true });
    let outcome = pod.ends(&[], 0, "WaitsForApproval", "ApprovalPending");
    let digest = outcome["planDigest"].as_str().unwrap().to_owned();
    let held = pod.held(&["--approved", &digest], "run.done");
    held.kill();
    assert!(pod.status()["startTime"].is_string());
    assert_eq!(pod.applied(), ["agreed/a"]);
    pod.ends(&["--approved", &digest], 0, "Succeeded", "MigrationComplete");
    assert_eq!(pod.applied(), ["agreed/a", "agreed/b"]);
}
