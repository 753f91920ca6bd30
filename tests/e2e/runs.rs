//! Runs that nothing disturbs.

use serde_json::{Value, json};

use crate::namespace::Namespace;

const SCHEMA: &str = "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 1000) i;";

#[test]
fn scripts_are_applied_once_and_the_next_one_after_them() {
    let Some(here) = Namespace::new("e2e-scripts") else { return };
    // Neither is there yet: that is said, and waited for.
    here.migrate(&["1.sql"], |_| {});
    here.wait_for("SecretNotFound");
    assert!(here.condition("Ready")["message"].as_str().unwrap().contains("Secret db is not there"));
    here.secret();
    here.wait_for("SourceNotFound");
    here.scripts(&[("1.sql", SCHEMA), ("2.sql", "ALTER TABLE users ADD COLUMN note text;")]);
    here.wait_until_ready();
    assert_eq!(here.reason(), "MigrationComplete");
    assert_eq!(here.database.one("SELECT count(*) FROM users"), "1000");
    let object = here.object();
    assert_eq!(object["status"]["phase"], "Succeeded");
    assert_eq!(object["status"]["history"][0]["result"], "Succeeded");
    assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"]);
    assert_eq!(here.condition("Stalled")["status"], "False");

    here.migrate(&["1.sql", "2.sql"], |_| {});
    here.until("the second script is applied", || {
        here.database.one("SELECT count(*) FROM information_schema.columns WHERE table_name = 'users'") == "3"
    });
    here.wait_until_ready();
    // Nothing was applied twice.
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.history"), "2");
    let events =
        here.kubectl(&["get", "events", "--field-selector", "involvedObject.kind=DatabaseMigration"]);
    for reason in ["SecretNotFound", "SourceNotFound", "MigrationComplete"] {
        assert!(events.contains(reason), "{events}");
    }
}

#[test]
fn a_script_that_fails_is_taken_back_and_says_why() {
    let Some(here) = Namespace::new("e2e-fails") else { return };
    here.secret();
    here.scripts(&[("1.sql", "CREATE TABLE a (id int); SELECT 1 / 0;")]);
    here.migrate(&["1.sql"], |_| {});
    here.until("it is over", || {
        ["Failed", "RolledBack"].contains(&here.object()["status"]["phase"].as_str().unwrap_or_default())
    });
    let stalled = here.condition("Stalled");
    assert_eq!(stalled["status"], "True", "{stalled}");
    assert!(stalled["message"].as_str().unwrap().contains("division by zero"), "{stalled}");
    assert_eq!(here.database.one("SELECT to_regclass('a') IS NULL"), "t");
    // One Job, one Pod: to try again would be to fail again.
    assert_eq!(here.kubectl(&["get", "pods", "--output", "name"]).lines().count(), 1);
    // Corrected: another run.
    here.scripts(&[("1.sql", "CREATE TABLE a (id int);")]);
    here.kubectl(&["annotate", "dbm", "change", "cofferdam.dev/retry=1"]);
    here.wait_until_ready();
    assert_eq!(here.database.one("SELECT to_regclass('a') IS NULL"), "f");
}

#[test]
fn an_online_change_can_be_taken_back_in_its_window() {
    let Some(here) = Namespace::new("e2e-window") else { return };
    here.secret();
    here.database.server.query("shop", SCHEMA).unwrap();
    here.scripts(&[("1.sql", "ALTER TABLE users ALTER COLUMN id TYPE bigint;")]);
    here.migrate(&["1.sql"], |m| m["spec"]["migration"]["strategy"] = json!("shadow-table"));
    here.wait_until_ready();
    assert_eq!(here.reason(), "RevertWindowOpen", "{}", here.story());
    let kind = "SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'id'";
    assert_eq!(here.database.one(kind), "bigint");
    here.database.server.query("shop", "INSERT INTO users VALUES (2000, 'written since')").unwrap();
    let object = here.object();
    let plan = object["status"]["planDigest"].as_str().unwrap();
    here.kubectl(&["annotate", "dbm", "change", &format!("cofferdam.dev/rollback={plan}")]);
    here.until("it is taken back", || here.object()["status"]["phase"] == "RolledBack");
    assert_eq!(here.database.one(kind), "integer");
    assert_eq!(here.database.one("SELECT name FROM users WHERE id = 2000"), "written since");
}

/// And once what was parked came back, its rows are those that it had.
#[test]
fn a_table_that_is_dropped_is_parked_and_comes_back() {
    let Some(here) = Namespace::new("e2e-parked") else { return };
    here.secret();
    here.database.server.query("shop", SCHEMA).unwrap();
    here.scripts(&[("1.sql", "DROP TABLE users;")]);
    here.migrate(&["1.sql"], |m| {
        m["spec"]["migration"]["drop"] = json!("park");
        m["spec"]["migration"]["parkFor"] = json!("7d");
    });
    here.wait_until_ready();
    let there = "SELECT to_regclass('users') IS NOT NULL";
    assert_eq!(here.database.one(there), "f");
    let kept = "SELECT until - parked_at FROM cofferdam.parked";
    assert_eq!(here.database.one(kept), "7 days", "{}", here.story());
    let object = here.object();
    let plan = object["status"]["planDigest"].as_str().unwrap();
    here.kubectl(&["annotate", "dbm", "change", &format!("cofferdam.dev/rollback={plan}")]);
    here.until("it is taken back", || here.object()["status"]["phase"] == "RolledBack");
    assert_eq!(here.database.one(there), "t");
    assert_eq!(here.database.one("SELECT count(*) FROM users WHERE name = 'user ' || id"), "1000");
}

#[test]
fn a_plan_is_carried_out_when_a_person_agrees() {
    let Some(here) = Namespace::new("e2e-approval") else { return };
    here.secret();
    here.scripts(&[("1.sql", SCHEMA)]);
    here.migrate(&["1.sql"], |m| m["spec"]["approval"] = json!({ "required": true }));
    here.wait_for("ApprovalPending");
    assert_eq!(here.database.one("SELECT to_regclass('users') IS NULL"), "t");
    let plan = here.object()["status"]["planDigest"].clone();
    let approve = |name: &str, more: Value| {
        let mut spec = json!({ "migrationRef": { "name": "change" }, "planDigest": plan });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        here.apply(&json!({
            "apiVersion": "cofferdam.dev/v1alpha1", "kind": "MigrationApproval",
            "metadata": { "name": name }, "spec": spec,
        }));
    };
    let said = |name: &str| {
        let path = "jsonpath={range .status.conditions[*]}{.type}={.status}/{.reason} {end}";
        here.kubectl(&["get", "mapp", name, "--output", path])
    };
    // What becomes of each is said in it; none of these begins anything.
    for (name, more, reason, stalled) in [
        ("other", json!({ "planDigest": format!("sha256:{}", "1".repeat(64)) }), "ApprovalOutdated", "True"),
        ("late", json!({ "expiresAt": "2020-01-01T00:00:00Z" }), "ApprovalExpired", "True"),
        ("lost", json!({ "migrationRef": { "name": "nowhere" } }), "MigrationNotFound", "False"),
    ] {
        approve(name, more);
        let expected = [format!("Ready=False/{reason}"), format!("Stalled={stalled}/{reason}")];
        here.until(&format!("{name} says {reason}: {}", said(name)), || {
            expected.iter().all(|condition| said(name).contains(condition))
        });
    }
    assert_eq!(here.reason(), "ApprovalPending");
    approve("yes", json!({}));
    here.wait_until_ready();
    assert_eq!(here.database.one("SELECT count(*) FROM users"), "1000");
    here.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", "mapp/yes"]);
    here.until("yes says which run began", || said("yes").contains("Ready=True/ApprovalUsed"));
    let run = here.kubectl(&["get", "mapp", "yes", "--output", "jsonpath={.status.runId}"]);
    assert_eq!(run, here.object()["status"]["runId"].as_str().unwrap());
}

#[test]
fn a_suspended_migration_waits() {
    let Some(here) = Namespace::new("e2e-suspend") else { return };
    here.secret();
    here.scripts(&[("1.sql", SCHEMA)]);
    here.migrate(&["1.sql"], |m| m["spec"]["suspend"] = json!(true));
    here.wait_for("Suspended");
    assert_eq!(here.kubectl(&["get", "jobs", "--output", "name"]), "");
    here.kubectl(&["patch", "dbm", "change", "--type", "merge", "--patch", r#"{"spec":{"suspend":false}}"#]);
    here.wait_until_ready();
}
