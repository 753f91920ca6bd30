//! What is done to the operator itself. Each of these has the operator for itself: other tests wait.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::{Cluster, SYSTEM, WITHOUT_WEBHOOK, text};
use crate::namespace::Namespace;

const ONE: &str = "CREATE TABLE one (id int);";

fn system(cluster: &Cluster, arguments: &[&str]) -> String {
    cluster.kubectl(&[&["--namespace", SYSTEM], arguments].concat())
}

/// Who holds the lease.
fn leader(cluster: &Cluster) -> String {
    system(cluster, &["get", "lease", "--output", "jsonpath={.items[0].spec.holderIdentity}"])
}

/// The process of an operator's Pod, where Pods are processes of this machine.
fn process(pod: &str) -> Option<String> {
    let wanted = format!("COFFERDAM_POD_NAME={pod}");
    let mut found = fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let path = entry.ok()?.path();
        let environment = fs::read(path.join("environ")).ok()?;
        let ours = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
        ours.then(|| path.file_name()?.to_str().map(str::to_owned))?
    });
    found.next()
}

fn signal(name: &str, process: &str) {
    let output = Command::new("kill").args([name, process]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

/// Brings the number of operators back, whatever happens.
pub(crate) struct Replicas<'a>(pub(crate) &'a Cluster);

impl Drop for Replicas<'_> {
    fn drop(&mut self) {
        let _ = self.0.try_kubectl(&["--namespace", SYSTEM, "scale", "deployment/cofferdam", "--replicas=1"]);
        let wait = ["--namespace", SYSTEM, "wait", "deployment/cofferdam", "--timeout=60s"];
        let one = ["--for=jsonpath={.status.replicas}=1"];
        let _ = self.0.try_kubectl(&[&wait[..], &one].concat());
    }
}

#[test]
fn a_leader_that_stood_still_leads_no_more() {
    let Some(here) = Namespace::alone("e2e-still") else { return };
    let cluster = here.cluster;
    let _back = Replicas(cluster);
    system(cluster, &["scale", "deployment/cofferdam", "--replicas=2"]);
    system(cluster, &["rollout", "status", "deployment/cofferdam", "--timeout=60s"]);
    // The lease may be that of one that a test before this one had killed, or nobody's.
    let operators = ["get", "pods", "--selector", "app.kubernetes.io/component=operator", "--output", "name"];
    here.until("one of them leads", || {
        let now = leader(cluster);
        !now.is_empty() && system(cluster, &operators).contains(&now)
    });
    let old = leader(cluster);
    let Some(process) = process(&old) else {
        cofferdam_scratch::skipped(
            "a_leader_that_stood_still_leads_no_more",
            "Pods are no processes of this machine",
        );
        return;
    };
    here.secret();
    here.scripts(&[("1.sql", ONE)]);
    // Requests that the webhook of the one that stands still does not answer would take so long that it is killed for that.
    cluster.kubectl(&["label", "namespace", here.name, WITHOUT_WEBHOOK]);
    signal("-STOP", &process);
    here.migrate(&["1.sql"], |_| {});
    here.until("another one leads", || leader(cluster) != old);
    signal("-CONT", &process);
    here.wait_until_ready();
    let new = leader(cluster);
    assert_ne!(new, old);
    // It ended, and was started again as one that waits.
    let restarts = ["get", "pod", &old, "--output", "jsonpath={.status.containerStatuses[0].restartCount}"];
    here.until("the old one was started again", || system(cluster, &restarts) == "1");
    assert_eq!(leader(cluster), new);
    assert!(system(cluster, &["logs", &old, "--previous"]).contains("the lease was lost"));
    assert_eq!(here.kubectl(&["get", "jobs", "--output", "name"]).lines().count(), 1);
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.run"), "1");
}

/// The operator's role, without one verb of one resource while this lives.
struct Without<'a> {
    cluster: &'a Cluster,
    rules: Value,
}

impl<'a> Without<'a> {
    fn new(cluster: &'a Cluster, resource: &str, verb: &str) -> Self {
        let role = cluster.kubectl(&["get", "clusterrole", "cofferdam", "--output", "json"]);
        let rules = serde_json::from_str::<Value>(&role).unwrap()["rules"].clone();
        let mut fewer = rules.clone();
        let mut taken = false;
        for rule in fewer.as_array_mut().unwrap() {
            if rule["resources"].as_array().unwrap().iter().any(|r| r == resource) {
                rule["verbs"].as_array_mut().unwrap().retain(|v| {
                    taken |= v == verb;
                    v != verb
                });
            }
        }
        assert!(taken, "{resource} {verb}: {rules}");
        // A rule of no verb is none.
        fewer.as_array_mut().unwrap().retain(|rule| rule["verbs"] != json!([]));
        let this = Self { cluster, rules };
        this.set(&fewer);
        this
    }

    fn set(&self, rules: &Value) {
        let patch = json!({ "rules": rules }).to_string();
        self.cluster.kubectl(&["patch", "clusterrole", "cofferdam", "--type", "merge", "--patch", &patch]);
    }
}

impl Drop for Without<'_> {
    fn drop(&mut self) {
        self.set(&self.rules.clone());
    }
}

#[test]
fn a_right_that_is_missing_is_named_and_waited_for() {
    let Some(here) = Namespace::alone("e2e-rbac") else { return };
    let restarts = || {
        let path = "jsonpath={.items[*].status.containerStatuses[0].restartCount}";
        system(here.cluster, &["get", "pods", "--output", path])
    };
    // One that a test before this one had made may be on its way out; of one that was just made nothing is told yet.
    here.until("there is one operator", || restarts().parse::<u32>().is_ok());
    let before = restarts();
    here.secret();
    let keys = ["0.sql", "1.sql", "2.sql", "3.sql", "4.sql"];
    let scripts = || {
        let text: Vec<String> =
            (0..keys.len()).map(|number| format!("CREATE TABLE t{number} (id int);")).collect();
        let pairs: Vec<(&str, &str)> = keys.iter().copied().zip(text.iter().map(String::as_str)).collect();
        here.scripts(&pairs);
    };
    let applied = |number: usize| {
        here.until("it is applied", || {
            here.database.one(&format!("SELECT to_regclass('t{number}') IS NOT NULL")) == "t"
        });
    };
    scripts();
    for (number, (resource, verb)) in
        [("jobs", "create"), ("jobs", "list"), ("pods", "list"), ("events", "list")].into_iter().enumerate()
    {
        // Events are looked at only while something is amiss.
        if resource == "events" {
            here.kubectl(&["delete", "configmap", "scripts"]);
        }
        let without = Without::new(here.cluster, resource, verb);
        here.migrate(&keys[..=number], |_| {});
        here.until(&format!("OperatorForbidden names {verb} {resource}"), || {
            let ready = here.condition("Ready");
            let message = ready["message"].as_str().unwrap_or_default();
            ready["reason"] == "OperatorForbidden"
                && message.contains(&format!("cannot {verb} resource \"{resource}\""))
        });
        drop(without);
        scripts();
        applied(number);
        here.wait_until_ready();
    }
    // Without its status nothing can be said, and the run goes on nevertheless.
    let without = Without::new(here.cluster, "databasemigrations/status", "patch");
    here.migrate(&keys, |_| {});
    applied(4);
    drop(without);
    here.until("it is said", || {
        here.object()["status"]["observedGeneration"] == here.object()["metadata"]["generation"]
    });
    here.wait_until_ready();
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.history"), "5");
    // No operator went down of it.
    assert_eq!(restarts(), before);
}
