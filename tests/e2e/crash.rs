//! The operator dies, or loses an answer, at each of its writes to the API; the next one, or the same one, ends it right.
//!
//! The cases are made from the list of failpoints: one that is not reached fails the test. The operator is a process of
//! this machine, and the one of the cluster stands still meanwhile.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_core::failpoint::FAILPOINTS;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::{Cluster, SYSTEM, WITHOUT_WEBHOOK, text};
use crate::leader::Replicas;
use crate::namespace::Namespace;

/// An operator of this machine for one namespace. It goes with the value.
pub(crate) struct Operator {
    child: Child,
    pub(crate) port: u16,
}

impl Operator {
    /// One that has this name, and more variables. A name that held the lease before has it again at once, as a container
    /// that is started again.
    pub(crate) fn start(here: &Namespace, name: &str, log: &Path, more: &[(&str, &str)]) -> Self {
        let port = cofferdam_scratch::free_port().unwrap();
        let variable = |name: &str| std::env::var(name).unwrap();
        let image =
            format!("{}@{}", variable("COFFERDAM_IMAGE_REPOSITORY"), variable("COFFERDAM_IMAGE_DIGEST"));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_cofferdam"))
            .arg("operator")
            .env("COFFERDAM_NAMESPACE", here.name)
            .env("COFFERDAM_WATCH_NAMESPACES", here.name)
            .env("COFFERDAM_POD_NAME", name)
            .env("COFFERDAM_RUNNER_IMAGE", image)
            .env("COFFERDAM_RUNNER_TTL_SECONDS", "86400")
            .env("COFFERDAM_HTTP_PORT", port.to_string())
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, port }
    }

    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn signal(&self, name: &str) {
        let output = Command::new("kill").args([name, &self.child.id().to_string()]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The operator of the cluster stands still while this lives, and its webhook is not asked here.
pub(crate) fn still(here: &Namespace) -> Replicas<'static> {
    let cluster = here.cluster;
    let back = Replicas(cluster);
    cluster.kubectl(&["label", "namespace", here.name, WITHOUT_WEBHOOK]);
    cluster.kubectl(&["--namespace", SYSTEM, "scale", "deployment/cofferdam", "--replicas=0"]);
    let wait = ["--namespace", SYSTEM, "wait", "pods", "--for=delete", "--timeout=90s"];
    let _ =
        cluster.try_kubectl(&[&wait[..], &["--selector", "app.kubernetes.io/component=operator"]].concat());
    back
}

fn points(of_webhook: bool) -> impl Iterator<Item = &'static str> {
    let ours = FAILPOINTS.iter().map(|(name, _)| *name).filter(|name| name.starts_with("operator."));
    ours.filter(move |name| name.starts_with("operator.webhook.") == of_webhook)
}

/// Those after which the process that goes on must not do anything twice: it does not know that it is done.
const LOST_ANSWERS: &[&str] = &[
    "operator.job.created",
    "operator.job.deleted",
    "operator.job.expired",
    "operator.status.write",
    "operator.status.written",
    "operator.approval.written",
];

#[test]
fn the_operator_dies_at_each_of_its_writes() {
    let Some(here) = Namespace::alone("e2e-crash") else { return };
    let _back = still(&here);
    let folder = TempDir::new().unwrap();
    here.secret();
    here.database.server.query("shop", "CREATE TABLE ledger (what text)").unwrap();
    let killed = points(false).map(|name| (name, "kill"));
    let cases: Vec<_> = killed.chain(LOST_ANSWERS.iter().map(|name| (*name, "error"))).collect();
    let scripts: Vec<(String, String)> = (0..cases.len())
        .map(|number| (format!("{number}.sql"), format!("INSERT INTO ledger VALUES ('{number}')")))
        .collect();
    let scripts: Vec<(&str, &str)> = scripts.iter().map(|(key, sql)| (key.as_str(), sql.as_str())).collect();
    here.scripts(&scripts);
    for (number, (failpoint, action)) in cases.into_iter().enumerate() {
        case(&here, folder.path(), number, failpoint, action);
    }
}

fn object(here: &Namespace, number: usize, key: &str) -> Value {
    let mut object = here.manifest(&["x"], |_| {});
    object["metadata"]["name"] = json!(format!("change-{number}"));
    object["spec"]["migration"]["scripts"] =
        json!([{ "name": "one", "source": format!("configmap://scripts/{key}") }]);
    object
}

fn case(here: &Namespace, folder: &Path, number: usize, failpoint: &str, action: &str) {
    let (mark, log) = (folder.join(format!("reached-{number}")), folder.join(format!("log-{number}")));
    let asked = format!("{failpoint}={action}");
    let more =
        [("COFFERDAM_FAILPOINT", asked.as_str()), ("COFFERDAM_FAILPOINT_REACHED", mark.to_str().unwrap())];
    let mut operator = Operator::start(here, "crash", &log, &more);
    let name = format!("change-{number}");
    let of_it = format!("cofferdam.dev/migration={name}");
    let jobs = || here.kubectl(&["get", "jobs", "--selector", &of_it, "--output", "name"]);
    // A Job that cannot begin, so that a corrected spec removes it.
    let corrected = failpoint.starts_with("operator.job.delete");
    if corrected {
        here.apply(&object(here, number, "not-there.sql"));
        here.until("its Job is made", || !jobs().is_empty());
    }
    // A word of a person, so that there is an approval to say something in.
    let asks = failpoint.starts_with("operator.approval.");
    let mut wanted = object(here, number, &format!("{number}.sql"));
    if asks {
        wanted["spec"]["approval"] = json!({ "required": true });
    }
    here.apply(&wanted);
    if asks {
        approve(here, &log, &name);
    }
    if failpoint == "operator.lease.given-back" {
        here.until("it leads", || !jobs().is_empty());
        operator.signal("-TERM");
    }
    until(here, &log, &asked, || mark.exists());
    if action == "kill" {
        until(here, &log, &format!("{asked}: it is dead"), || operator.ended());
        operator = Operator::start(here, "crash", &log, &[]);
    }
    let state = |path: &str| here.kubectl(&["get", "dbm", &name, "--output", &format!("jsonpath={path}")]);
    until(here, &log, &asked, || state("{.status.conditions[?(@.type=='Ready')].status}") == "True");
    assert_eq!(state("{.status.phase}"), "Succeeded", "{asked}");
    assert_eq!(state("{.status.observedGeneration}"), state("{.metadata.generation}"), "{asked}");
    // One that plans and one that carries out, where a person agrees in between.
    assert_eq!(jobs().lines().count(), 1 + usize::from(asks), "{asked}: {}", jobs());
    let ledger = format!("SELECT count(*) FROM ledger WHERE what = '{number}'");
    assert_eq!(here.database.one(&ledger), "1", "{asked}");
    let runs = format!("SELECT count(*) FROM cofferdam.history WHERE version = '{name}/one'");
    assert_eq!(here.database.one(&runs), "1", "{asked}");
    until(here, &log, &format!("{asked}: its Jobs have a time to live"), || {
        let path = "jsonpath={.items[*].spec.ttlSecondsAfterFinished}";
        let said = here.kubectl(&["get", "jobs", "--selector", &of_it, "--output", path]);
        said.split_whitespace().eq(vec!["86400"; 1 + usize::from(asks)])
    });
    if asks {
        until(here, &log, &format!("{asked}: the approval says that it was used"), || {
            let path = "jsonpath={.status.conditions[?(@.type=='Ready')].reason}";
            here.kubectl(&["get", "mapp", &name, "--output", path]) == "ApprovalUsed"
        });
    }
    drop(operator);
}

/// Agrees to the plan once there is one.
fn approve(here: &Namespace, log: &Path, name: &str) {
    let plan = || here.kubectl(&["get", "dbm", name, "--output", "jsonpath={.status.planDigest}"]);
    until(here, log, &format!("{name} has a plan"), || !plan().is_empty());
    here.apply(&json!({
        "apiVersion": "cofferdam.dev/v1alpha1", "kind": "MigrationApproval", "metadata": { "name": name },
        "spec": { "migrationRef": { "name": name }, "planDigest": plan() },
    }));
}

/// With the log of the operators where it is in vain.
fn until(here: &Namespace, log: &Path, what: &str, so: impl FnMut() -> bool) {
    let mut so = so;
    let began = Instant::now();
    while !so() {
        let told = || std::fs::read_to_string(log).unwrap_or_default();
        let patience = began.elapsed() < Duration::from_secs(120);
        assert!(patience, "waited in vain until {what}\n{}\n{}", told(), here.story());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Configurations that are asked about nothing; they go with the value.
struct Configurations<'a>(&'a Cluster);

const CONFIGURATION: &str = "e2e-crash";
const KINDS: [&str; 2] = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"];

impl Drop for Configurations<'_> {
    fn drop(&mut self) {
        for kind in KINDS {
            let _ = self.0.try_kubectl(&["delete", kind, CONFIGURATION, "--ignore-not-found"]);
        }
    }
}

#[test]
fn whoever_makes_the_certificates_dies_between_two_writes() {
    let Some(here) = Namespace::new("e2e-crash-hook") else { return };
    let folder = TempDir::new().unwrap();
    let _configurations = Configurations(here.cluster);
    for (number, failpoint) in points(true).enumerate() {
        here.kubectl(&["delete", "secret", "tls", "--ignore-not-found"]);
        for kind in KINDS {
            let output = here.cluster.try_with(
                &["apply"],
                &json!({
                    "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
                    "metadata": { "name": CONFIGURATION },
                    "webhooks": [{
                        "name": "crash.cofferdam.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                        "failurePolicy": "Ignore",
                        "clientConfig": { "service": { "name": "hook", "namespace": here.name } },
                        "rules": [{
                            "apiGroups": ["e2e.cofferdam.dev"], "apiVersions": ["v1"], "resources": ["nothing"],
                            "operations": ["CREATE"],
                        }],
                    }],
                })
                .to_string(),
            );
            assert!(output.status.success(), "{}", text(&output));
        }
        let (mark, log) =
            (folder.path().join(format!("m{number}")), folder.path().join(format!("l{number}")));
        let port = cofferdam_scratch::free_port().unwrap().to_string();
        let asked = format!("{failpoint}=kill");
        let hook = [
            ("COFFERDAM_WEBHOOK_PORT", port.as_str()),
            ("COFFERDAM_WEBHOOK_SERVICE", "hook"),
            ("COFFERDAM_WEBHOOK_SECRET", "tls"),
            ("COFFERDAM_WEBHOOK_CONFIGURATION", CONFIGURATION),
        ];
        let broken = [
            ("COFFERDAM_FAILPOINT", asked.as_str()),
            ("COFFERDAM_FAILPOINT_REACHED", mark.to_str().unwrap()),
        ];
        let mut operator = Operator::start(&here, "crash", &log, &[&hook[..], &broken].concat());
        until(&here, &log, &asked, || mark.exists() && operator.ended());
        let operator = Operator::start(&here, "crash", &log, &hook);
        until(&here, &log, &format!("{asked}: it can answer"), || ready(operator.port));
        let bundle = |kind: &str| {
            let path = "jsonpath={.webhooks[0].clientConfig.caBundle}";
            here.cluster.kubectl(&["get", kind, CONFIGURATION, "--output", path])
        };
        let [one, other] = KINDS.map(bundle);
        assert!(!one.is_empty() && one == other, "{asked}");
        let authority = here.kubectl(&["get", "secret", "tls", "--output", r"jsonpath={.data.ca\.crt}"]);
        assert_eq!(one, authority, "{asked}");
    }
}

fn ready(port: u16) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.0 200")
}
