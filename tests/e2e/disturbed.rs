//! Runs in which something is killed, deleted or refused.

use serde_json::{Value, json};

use crate::cluster::SYSTEM;
use crate::namespace::Namespace;

const ROWS: &str = "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, pad text);
    INSERT INTO users SELECT i, 'user ' || i, repeat('x', 700) FROM generate_series(1, 60000) i;";

/// A copy that stands still after its first chunks: somebody else holds it back, as far as the runner can see.
pub(crate) fn in_the_middle_of_a_copy(here: &Namespace) {
    copy(here, |_| {});
}

/// The same, of an object changed by `more`.
pub(crate) fn copy(here: &Namespace, more: impl FnOnce(&mut Value)) {
    here.secret();
    here.database.server.query("shop", ROWS).unwrap();
    here.database.server.query("shop", "VACUUM ANALYZE users").unwrap();
    here.scripts(&[("1.sql", "ALTER TABLE users ALTER COLUMN id TYPE bigint;")]);
    here.migrate(&["1.sql"], |m| {
        m["spec"]["migration"]["strategy"] = json!("shadow-table");
        m["spec"]["cutover"] = json!({ "mode": "manual" });
        more(m);
    });
    here.until("rows are being copied, or are", || {
        here.database.one("SELECT to_regclass('cofferdam.online') IS NOT NULL") == "t"
            && here.database.one("SELECT count(*) FROM cofferdam.online WHERE stage IS NOT NULL") == "1"
    });
}

#[test]
fn the_runner_and_the_operator_are_killed_in_the_middle_of_a_copy() {
    let Some(here) = Namespace::new("e2e-killed") else { return };
    in_the_middle_of_a_copy(&here);
    let force = ["--grace-period=0", "--force", "--wait=false"];
    let runner = ["delete", "pods", "--selector", "app.kubernetes.io/component=runner"];
    here.kubectl(&[&runner[..], &force].concat());
    let operator =
        ["--namespace", SYSTEM, "delete", "pods", "--selector", "app.kubernetes.io/name=cofferdam"];
    here.cluster.kubectl(&[&operator[..], &force].concat());
    here.database.server.query("shop", "UPDATE users SET name = 'changed' WHERE id % 100 = 0").unwrap();
    here.wait_for("AwaitingCutover");
    assert_eq!(here.condition("Stalled")["status"], "True");
    here.kubectl(&[
        "patch",
        "dbm",
        "change",
        "--type",
        "merge",
        "--patch",
        r#"{"spec":{"cutover":{"mode":"auto"}}}"#,
    ]);
    here.wait_until_ready();
    assert_eq!(here.database.one("SELECT count(*) FROM users"), "60000");
    assert_eq!(here.database.one("SELECT count(*) FROM users WHERE name = 'changed'"), "600");
    assert_eq!(here.database.one("SELECT pg_typeof(id) FROM users LIMIT 1"), "bigint");
    // However often it was begun, it was one run.
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.run"), "1", "{}", here.story());
}

#[test]
fn a_job_that_somebody_deletes_is_made_again() {
    let Some(here) = Namespace::new("e2e-job-gone") else { return };
    in_the_middle_of_a_copy(&here);
    here.kubectl(&["delete", "jobs", "--all"]);
    here.wait_for("AwaitingCutover");
    here.kubectl(&[
        "patch",
        "dbm",
        "change",
        "--type",
        "merge",
        "--patch",
        r#"{"spec":{"cutover":{"mode":"auto"}}}"#,
    ]);
    here.wait_until_ready();
    assert_eq!(here.database.one("SELECT count(*) FROM users"), "60000");
}

#[test]
fn a_quota_is_named_and_waited_for() {
    let Some(here) = Namespace::new("e2e-quota") else { return };
    here.apply(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "none" },
        "spec": { "hard": { "pods": "0" } },
    }));
    here.secret();
    here.scripts(&[("1.sql", "CREATE TABLE a (id int);")]);
    here.migrate(&["1.sql"], |_| {});
    here.wait_for("QuotaExceeded");
    let message = here.condition("Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("exceeded quota: none"), "{message}");
    here.kubectl(&["delete", "resourcequota", "none"]);
    here.wait_until_ready();
}

#[test]
fn a_deleted_object_stops_its_run_and_leaves_the_database_alone() {
    let Some(here) = Namespace::new("e2e-deleted") else { return };
    in_the_middle_of_a_copy(&here);
    here.kubectl(&["delete", "dbm", "change", "--wait"]);
    here.until("no Pod is left", || here.kubectl(&["get", "pods", "--output", "name"]).is_empty());
    assert_eq!(here.database.one("SELECT count(*) FROM users"), "60000");
    assert_eq!(here.database.one("SELECT pg_typeof(id) FROM users LIMIT 1"), "integer");
    // Made again, it goes on where it was.
    here.migrate(&["1.sql"], |m| m["spec"]["migration"]["strategy"] = json!("shadow-table"));
    here.wait_until_ready();
    assert_eq!(here.database.one("SELECT pg_typeof(id) FROM users LIMIT 1"), "bigint");
}

#[test]
fn a_database_that_is_down_is_waited_for_and_holds_no_namespace() {
    let Some(mut here) = Namespace::new("e2e-down") else { return };
    here.secret();
    here.scripts(&[("1.sql", "CREATE TABLE a (id int);")]);
    here.database.server.stop_immediate().unwrap();
    here.migrate(&["1.sql"], |_| {});
    here.until("the runner is at work", || here.object()["status"]["phase"] == "Running");
    here.database.server.start_again().unwrap();
    here.wait_until_ready();
    here.database.server.stop_immediate().unwrap();
    here.cluster.kubectl(&["delete", "namespace", here.name, "--wait", "--timeout=180s"]);
}
