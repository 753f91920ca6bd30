//! What the cluster does to a run: memory, eviction, deadlines, images, other writers, and a namespace that goes.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::disturbed::in_the_middle_of_a_copy;
use crate::namespace::Namespace;

const RUNNER: &str = "app.kubernetes.io/component=runner";

/// Names of the runners' Pods.
fn pods(here: &Namespace) -> Vec<String> {
    let names = here.kubectl(&["get", "pods", "--selector", RUNNER, "--output", "name"]);
    names.lines().map(|name| name.trim_start_matches("pod/").to_owned()).collect()
}

/// The only Job.
fn job(here: &Namespace) -> String {
    here.kubectl(&["get", "jobs", "--output", "jsonpath={.items[0].metadata.name}"])
}

fn events(here: &Namespace) -> String {
    here.kubectl(&["get", "events", "--field-selector", "involvedObject.kind=DatabaseMigration"])
}

/// Lets what waits for the word be swapped, and looks that it was one run and nothing is lost.
fn swap_and_look(here: &Namespace) {
    here.patch(&json!({ "spec": { "cutover": { "mode": "auto" } } }));
    here.wait_until_ready();
    assert_eq!(here.database.one("SELECT count(*) FROM users"), "60000");
    assert_eq!(here.database.one("SELECT pg_typeof(id) FROM users LIMIT 1"), "bigint");
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.run"), "1", "{}", here.story());
}

#[test]
fn a_runner_without_memory_says_so_and_goes_on_with_more() {
    let Some(here) = Namespace::new("e2e-memory") else { return };
    here.secret();
    // A row that the runner cannot hold.
    here.scripts(&[("1.sql", "CREATE TABLE a AS SELECT 1 AS id; SELECT repeat('x', 100000000);")]);
    let memory = |limit: &str| json!({ "resources": { "limits": { "memory": limit }, "requests": { "memory": "16Mi" } } });
    here.migrate(&["1.sql"], |m| m["spec"]["runner"] = memory("48Mi"));
    here.wait_for("OutOfMemory");
    let message = here.condition("Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("more memory than its limit"), "{message}");
    // As the message says. The tries that are left are not waited for.
    here.patch(&json!({ "spec": { "suspend": true } }));
    here.wait_for("Suspended");
    here.patch(&json!({ "spec": { "suspend": false, "runner": memory("900Mi") } }));
    here.wait_until_ready();
    assert_eq!(here.database.one("SELECT count(*) FROM a"), "1");
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.history"), "1");
}

#[test]
fn an_evicted_runner_stops_at_a_safe_point_and_another_goes_on() {
    let Some(here) = Namespace::new("e2e-evicted") else { return };
    in_the_middle_of_a_copy(&here);
    let before = pods(&here);
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": before[0], "namespace": here.name },
    });
    let path = format!("/api/v1/namespaces/{}/pods/{}/eviction", here.name, before[0]);
    let output = here.cluster.try_with(&["create", "--raw", &path], &eviction.to_string());
    assert!(output.status.success(), "{}", crate::cluster::text(&output));
    here.until("another Pod is there", || pods(&here).iter().any(|pod| !before.contains(pod)));
    here.wait_for("AwaitingCutover");
    // The Job counts it as no failure.
    let failed = here.kubectl(&["get", "jobs", "--output", "jsonpath={.items[0].status.failed}"]);
    assert!(failed.is_empty() || failed == "0", "{failed}\n{}", here.story());
    swap_and_look(&here);
}

#[test]
fn a_run_that_is_late_stops_and_a_person_lets_it_go_on() {
    let Some(here) = Namespace::new("e2e-late") else { return };
    crate::disturbed::copy(&here, |m| m["spec"]["rollback"] = json!({ "automatic": false }));
    // The least that a spec may ask for is a minute.
    here.kubectl(&["patch", "job", &job(&here), "--patch", r#"{"spec":{"activeDeadlineSeconds":1}}"#]);
    here.wait_for("DeadlineExceeded");
    assert_eq!(here.condition("Stalled")["status"], "True");
    assert_eq!(here.object()["status"]["phase"], "Failed");
    assert_eq!(here.database.one("SELECT pg_typeof(id) FROM users LIMIT 1"), "integer");
    here.kubectl(&["annotate", "dbm", "change", "cofferdam.dev/retry=1"]);
    here.wait_for("AwaitingCutover");
    swap_and_look(&here);
}

#[test]
fn a_run_that_is_late_is_taken_back_where_the_spec_says_so() {
    let Some(here) = Namespace::new("e2e-late-back") else { return };
    crate::disturbed::copy(&here, |m| m["spec"]["rollback"] = json!({ "automatic": true }));
    here.kubectl(&["patch", "job", &job(&here), "--patch", r#"{"spec":{"activeDeadlineSeconds":1}}"#]);
    here.until("it is taken back", || here.object()["status"]["phase"] == "RolledBack");
    assert_eq!(here.database.one("SELECT pg_typeof(id) FROM users LIMIT 1"), "integer");
    assert_eq!(here.database.one("SELECT count(*) FROM users"), "60000");
    let left = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind = 'r' AND nspname = 'cofferdam' AND relname LIKE '%users%'";
    assert_eq!(here.database.one(left), "0");
}

#[test]
fn an_image_that_cannot_be_pulled_is_named_and_waited_for() {
    let Some(here) = Namespace::new("e2e-no-image") else { return };
    here.secret();
    here.scripts(&[("1.sql", "CREATE TABLE a (id int);")]);
    // No node has it yet, so that the Pod is still there to be changed.
    let label = "cofferdam.dev/e2e-image";
    here.cluster.kubectl(&["label", "nodes", "--all", &format!("{label}-")]);
    here.migrate(&["1.sql"], |m| m["spec"]["runner"] = json!({ "nodeSelector": { label: "yes" } }));
    here.until("the Pod finds no node", || {
        let ready = here.condition("Ready");
        ready["reason"] == "JobPending" && ready["message"].as_str().unwrap().contains("finds no node")
    });
    let pod = pods(&here).remove(0);
    let image = here.kubectl(&["get", "pod", &pod, "--output", "jsonpath={.spec.containers[0].image}"]);
    let missing = format!("{}/cofferdam:not-there", here.cluster.registry);
    here.kubectl(&["set", "image", &format!("pod/{pod}"), &format!("runner={missing}")]);
    here.cluster.kubectl(&["label", "nodes", "--all", &format!("{label}=yes")]);
    here.wait_for("ImagePullFailed");
    let message = here.condition("Ready")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("cofferdam:not-there"), "{message}");
    here.kubectl(&["set", "image", &format!("pod/{pod}"), &format!("runner={image}")]);
    here.wait_until_ready();
    here.cluster.kubectl(&["label", "nodes", "--all", &format!("{label}-")]);
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.history"), "1");
}

#[test]
fn others_that_write_at_the_same_time_do_no_harm() {
    let Some(here) = Namespace::new("e2e-writers") else { return };
    here.secret();
    here.scripts(&[("1.sql", "CREATE TABLE a (id int); SELECT pg_sleep(3);")]);
    here.migrate(&["1.sql"], |_| {});
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writes = |arguments: &'static [&'static str]| {
            let (over, here) = (&over, &here);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let namespace = ["--namespace", here.name];
                    let _ = here.cluster.try_kubectl(&[&namespace[..], arguments].concat());
                }
            });
        };
        writes(&["label", "dbm", "change", "--overwrite", "by=one"]);
        writes(&["label", "dbm", "change", "--overwrite", "by=another"]);
        // The whole status of an older time, as a tool does that replaces what it read.
        writes(&[
            "patch",
            "dbm",
            "change",
            "--subresource=status",
            "--type",
            "merge",
            "--patch",
            r#"{"status":{"phase":"Pending","jobName":"nonsense","progress":{"percent":1}}}"#,
        ]);
        here.until("the script was applied", || {
            here.database.one("SELECT to_regclass('cofferdam.history') IS NOT NULL") == "t"
                && here.database.one("SELECT count(*) FROM cofferdam.history") == "1"
        });
        over.store(true, Ordering::Relaxed);
    });
    here.wait_until_ready();
    here.until("the status is right again", || here.object()["status"]["phase"] == "Succeeded");
    assert_eq!(here.kubectl(&["get", "jobs", "--output", "name"]).lines().count(), 1);
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.run"), "1");
}

#[test]
fn a_namespace_that_goes_takes_the_run_along_and_leaves_the_database_alone() {
    let Some(here) = Namespace::new("e2e-going") else { return };
    in_the_middle_of_a_copy(&here);
    here.cluster.kubectl(&["delete", "namespace", here.name, "--wait", "--timeout=180s"]);
    assert_eq!(here.database.one("SELECT count(*) FROM users"), "60000");
    assert_eq!(here.database.one("SELECT pg_typeof(id) FROM users LIMIT 1"), "integer");
    // The same in a new namespace of that name goes on with the same run.
    here.again();
    here.secret();
    here.scripts(&[("1.sql", "ALTER TABLE users ALTER COLUMN id TYPE bigint;")]);
    here.migrate(&["1.sql"], |m| m["spec"]["migration"]["strategy"] = json!("shadow-table"));
    here.wait_until_ready();
    assert_eq!(here.database.one("SELECT pg_typeof(id) FROM users LIMIT 1"), "bigint");
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.run"), "1", "{}", here.story());
}

#[test]
fn many_for_one_database_come_one_after_the_other() {
    let Some(here) = Namespace::new("e2e-line") else { return };
    here.secret();
    let names = ["a", "b", "c", "d"];
    let script = "SELECT pg_sleep(1); CREATE TABLE IF NOT EXISTS line (name text, at timestamptz);";
    here.scripts(&names.map(|name| (name, script)));
    let object = |name: &str| -> Value {
        let mut object = here.manifest(&[name], |_| {});
        object["metadata"]["name"] = json!(name);
        object
    };
    let all = json!({ "apiVersion": "v1", "kind": "List", "items": names.map(object) });
    here.apply(&all);
    let others = |name: &str| {
        let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")]}"#;
        here.kubectl(&["get", "dbm", name, "--output", path])
    };
    here.until("the last waits for the one before it", || {
        let said = others("d");
        said.contains("LockHeldByOther") && said.contains("DatabaseMigration c comes first")
    });
    // It has no Job while it waits.
    assert!(here.kubectl(&["get", "jobs", "--output", "name"]).lines().count() < 4);
    let arguments = ["wait", "--for=condition=Ready", "--timeout=180s", "dbm", "--all"];
    here.kubectl(&arguments);
    let order =
        "SELECT string_agg(split_part(version, '/', 1), '' ORDER BY applied_at) FROM cofferdam.history";
    assert_eq!(here.database.one(order), "abcd");
    assert!(!events(&here).contains("WaitingForBlocker"), "{}", here.story());
}

#[test]
fn one_that_lacks_its_source_does_not_stop_the_others() {
    let Some(here) = Namespace::new("e2e-pass") else { return };
    here.secret();
    here.migrate(&["1.sql"], |_| {});
    here.wait_for("SourceNotFound");
    here.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "mine" },
        "data": { "1.sql": "CREATE TABLE a (id int);" },
    }));
    let mut other = here.manifest(&["1.sql"], |_| {});
    other["metadata"]["name"] = json!("other");
    other["spec"]["migration"]["scripts"][0]["source"] = json!("configmap://mine/1.sql");
    here.apply(&other);
    here.kubectl(&["wait", "--for=condition=Ready", "--timeout=120s", "dbm/other"]);
    here.scripts(&[("1.sql", "CREATE TABLE b (id int);")]);
    here.wait_until_ready();
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.history"), "2");
}
