//! A namespace for one test, with a database that it knows.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::{Cluster, cluster, text};
use crate::database::{Database, PASSWORD};

pub(crate) struct Namespace {
    pub(crate) cluster: &'static Cluster,
    pub(crate) name: &'static str,
    pub(crate) database: Database,
    _operator: Operator,
}

/// There is one operator: most tests share it, and one that does something to it has it alone.
#[allow(dead_code, reason = "they are held")]
enum Operator {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

static OPERATOR: RwLock<()> = RwLock::new(());

impl Namespace {
    /// `None`, and the test is skipped, where there is no cluster. What an earlier run left goes first.
    pub(crate) fn new(name: &'static str) -> Option<Self> {
        // A test that failed leaves it as it was: what it did to the operator was undone when it was dropped.
        Self::made(name, Operator::Shared(OPERATOR.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// For a test that does something to the operator.
    pub(crate) fn alone(name: &'static str) -> Option<Self> {
        Self::made(name, Operator::Alone(OPERATOR.write().unwrap_or_else(PoisonError::into_inner)))
    }

    fn made(name: &'static str, operator: Operator) -> Option<Self> {
        let cluster = cluster(name)?;
        cluster.kubectl(&["delete", "namespace", name, "--ignore-not-found", "--wait"]);
        let namespace = Self { cluster, name, database: Database::new(&cluster.host), _operator: operator };
        namespace.again();
        Some(namespace)
    }

    /// Makes it where it is gone.
    pub(crate) fn again(&self) {
        self.cluster.kubectl(&["create", "namespace", self.name]);
        let restricted = "pod-security.kubernetes.io/enforce=restricted";
        self.cluster.kubectl(&["label", "namespace", self.name, restricted]);
        self.let_runners_in();
    }

    /// What the documentation says for a namespace of an operator that watches all of them.
    fn let_runners_in(&self) {
        self.apply(&json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "cofferdam-runner" },
        }));
        self.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": { "name": "cofferdam-runner" },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cofferdam-runner",
            },
            "subjects": [{ "kind": "ServiceAccount", "name": "cofferdam-runner", "namespace": self.name }],
        }));
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.cluster.kubectl(&[&["--namespace", self.name], arguments].concat())
    }

    pub(crate) fn apply(&self, manifest: &Value) {
        let output = self.cluster.try_with(&["--namespace", self.name, "apply"], &manifest.to_string());
        assert!(output.status.success(), "{manifest}\n{}", text(&output));
    }

    /// The Secret `db` with the credentials.
    pub(crate) fn secret(&self) {
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "db" },
            "stringData": { "username": "postgres", "password": PASSWORD },
        }));
    }

    /// The ConfigMap `scripts` with these keys.
    pub(crate) fn scripts(&self, scripts: &[(&str, &str)]) {
        let data: serde_json::Map<String, Value> =
            scripts.iter().map(|(key, sql)| ((*key).to_owned(), json!(sql))).collect();
        self.apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "scripts" }, "data": data,
        }));
    }

    /// A DatabaseMigration `change` of the scripts with these keys, changed by `more`.
    pub(crate) fn migrate(&self, keys: &[&str], more: impl FnOnce(&mut Value)) {
        self.apply(&self.manifest(keys, more));
    }

    /// Its manifest.
    pub(crate) fn manifest(&self, keys: &[&str], more: impl FnOnce(&mut Value)) -> Value {
        let scripts: Vec<Value> = keys
            .iter()
            .map(|key| json!({ "name": key.trim_end_matches(".sql"), "source": format!("configmap://scripts/{key}") }))
            .collect();
        let mut object = json!({
            "apiVersion": "cofferdam.dev/v1alpha1",
            "kind": "DatabaseMigration",
            "metadata": { "name": "change" },
            "spec": {
                "database": {
                    "type": "postgresql", "connectionSecret": "db", "database": "shop",
                    "host": self.cluster.host, "port": self.database.port,
                    "tls": { "mode": "disable" },
                },
                "migration": { "scripts": scripts },
            },
        });
        more(&mut object);
        object
    }

    /// Changes the object `change`.
    pub(crate) fn patch(&self, patch: &Value) {
        self.kubectl(&["patch", "dbm", "change", "--type", "merge", "--patch", &patch.to_string()]);
    }

    /// The object `change` as it is.
    pub(crate) fn object(&self) -> Value {
        serde_json::from_str(&self.kubectl(&["get", "dbm", "change", "--output", "json"])).unwrap()
    }

    /// The reason of its condition Ready.
    pub(crate) fn reason(&self) -> String {
        self.condition("Ready")["reason"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn condition(&self, kind: &str) -> Value {
        let object = self.object();
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|c| c["type"] == kind).unwrap_or_default()
    }

    /// As a pipeline waits for it.
    pub(crate) fn wait_until_ready(&self) {
        let arguments = ["wait", "--for=condition=Ready", "--timeout=180s", "dbm/change"];
        let output = self.cluster.try_kubectl(&[&["--namespace", self.name], &arguments[..]].concat());
        assert!(output.status.success(), "{}\n{}", text(&output), self.story());
    }

    pub(crate) fn wait_for(&self, reason: &str) {
        self.until(&format!("the reason is {reason}"), || self.reason() == reason);
    }

    /// Three minutes are no measurement: it is when waiting has become pointless.
    pub(crate) fn until(&self, what: &str, so: impl Fn() -> bool) {
        let began = Instant::now();
        while !so() {
            assert!(
                began.elapsed() < Duration::from_secs(180),
                "waited in vain until {what}\n{}",
                self.story()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// All that a person would look at.
    pub(crate) fn story(&self) -> String {
        let all = [
            ["get", "dbm,jobs,pods", "--output", "wide"].as_slice(),
            &["get", "dbm", "--output", "yaml"],
            &["get", "events", "--sort-by", ".lastTimestamp"],
            &["logs", "--selector", "app.kubernetes.io/component=runner", "--tail", "40", "--prefix"],
        ];
        let here = all.map(|arguments| {
            text(&self.cluster.try_kubectl(&[&["--namespace", self.name], arguments].concat()))
        });
        let operator =
            ["--namespace", crate::cluster::SYSTEM, "logs", "deployment/cofferdam", "--tail", "20"];
        format!("{}\n{}", here.join("\n"), text(&self.cluster.try_kubectl(&operator)))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // With the database gone: nothing of ours may hold a namespace.
        if !std::thread::panicking() {
            self.cluster.kubectl(&["delete", "namespace", self.name, "--ignore-not-found", "--wait=false"]);
        }
    }
}
