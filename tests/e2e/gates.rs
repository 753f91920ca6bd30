//! Gates: what a change waits for, and what becomes of it when its metrics are bad; and Deployments whose Pods wait for a
//! change, of which the old ones go on serving until it is there.

use std::process::Command;
use std::time::Duration;

use cofferdam_scratch::skipped;
use serde_json::{Value, json};

use crate::cluster::{SYSTEM, text};
use crate::metrics::{MetricsApi, Prometheus};
use crate::namespace::Namespace;

const TABLE: &str = "CREATE TABLE orders (id int PRIMARY KEY);";

/// An application: our own image under tags of its own, with a program that runs and does nothing.
struct App<'a> {
    here: &'a Namespace,
}

impl<'a> App<'a> {
    fn new(here: &'a Namespace) -> Self {
        let variable = |name: &str| std::env::var(name).unwrap();
        let from = format!(
            "docker://{}@{}",
            variable("COFFERDAM_IMAGE_REPOSITORY"),
            variable("COFFERDAM_IMAGE_DIGEST")
        );
        for version in ["1.0.0", "2.0.0"] {
            let to = format!("docker://{}/e2e/app:{version}", here.cluster.registry);
            let output = Command::new("skopeo")
                .args(["--insecure-policy", "copy", "--quiet"])
                .args(["--src-tls-verify=false", "--dest-tls-verify=false", &from, &to])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", text(&output));
        }
        Self { here }
    }

    /// Deployed in this version, with these init containers. A new Pod comes before an old one goes.
    fn deploy(&self, version: &str, before: &[Value]) {
        let secure = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
        });
        let mut before = before.to_vec();
        for container in &mut before {
            container["image"] = json!(self.image("2.0.0"));
            container["securityContext"] = secure.clone();
        }
        self.here.apply(&json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "app" },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": { "app": "shop" } },
                "strategy": { "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
                "template": {
                    "metadata": { "labels": { "app": "shop", "version": version } },
                    "spec": {
                        "serviceAccountName": "app",
                        "terminationGracePeriodSeconds": 1,
                        "securityContext": {
                            "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" },
                        },
                        "initContainers": before,
                        "containers": [{
                            "name": "app",
                            "image": self.image(version),
                            "args": ["wait", "--url", "postgres://nobody@127.0.0.1:1/none", "--timeout", "24h"],
                            "securityContext": secure,
                        }],
                    },
                },
            },
        }));
    }

    fn image(&self, version: &str) -> String {
        format!("{}/e2e/app:{version}", self.here.cluster.registry)
    }

    /// The account that looks at the object; it may nothing else.
    fn account(&self) {
        self.here
            .apply(&json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "app" } }));
        self.here.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "app" },
            "rules": [{
                "apiGroups": ["cofferdam.dev"], "resources": ["databasemigrations"], "resourceNames": ["change"],
                "verbs": ["get"],
            }],
        }));
        self.here.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "app" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "app" },
            "subjects": [{ "kind": "ServiceAccount", "name": "app" }],
        }));
    }

    /// The versions whose Pods are ready.
    fn serving(&self) -> Vec<String> {
        let pods: Value = serde_json::from_str(&self.here.kubectl(&[
            "get",
            "pods",
            "--selector",
            "app=shop",
            "--output",
            "json",
        ]))
        .unwrap();
        let ready = |pod: &&Value| {
            let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
            pod["metadata"]["deletionTimestamp"].is_null()
                && conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
        };
        let pods = pods["items"].as_array().unwrap();
        pods.iter()
            .filter(ready)
            .map(|p| p["metadata"]["labels"]["version"].as_str().unwrap().into())
            .collect()
    }

    fn serves(&self, version: &str) {
        self.here.until(&format!("{version} serves"), || self.serving() == [version]);
    }

    /// What the waiting container of the new Pod says.
    fn waiting(&self) -> String {
        let logs = ["logs", "--selector", "app=shop,version=2.0.0", "--container", "wait", "--tail", "3"];
        text(&self.here.cluster.try_kubectl(&[&["--namespace", self.here.name], &logs[..]].concat()))
    }
}

fn message(here: &Namespace) -> String {
    here.condition("Ready")["message"].as_str().unwrap_or_default().to_owned()
}

fn prometheus_check(name: &str, query: &str, bake: u32) -> Value {
    json!({
        "name": name, "source": "Prometheus", "query": query, "bakeSeconds": bake, "intervalSeconds": 5,
        "threshold": { "operator": "<", "value": "0.05" },
    })
}

#[test]
fn a_change_waits_for_the_version_of_the_pods() {
    let Some(here) = Namespace::new("e2e-versions") else { return };
    let app = App::new(&here);
    app.account();
    app.deploy("1.0.0", &[]);
    app.serves("1.0.0");
    here.secret();
    here.scripts(&[("1.sql", TABLE)]);
    here.migrate(&["1.sql"], |m| {
        let versions = json!([{ "selector": { "matchLabels": { "app": "shop" } }, "minVersion": "2.0.0" }]);
        m["spec"]["checks"] = json!({ "pre": { "minPodVersions": versions } });
    });
    here.wait_for("PreCheckImageVersionFailed");
    let pod = here.kubectl(&[
        "get",
        "pods",
        "--selector",
        "app=shop",
        "--output",
        "jsonpath={.items[0].metadata.name}",
    ]);
    let said =
        format!("Pod {pod} runs {}; all Pods with app=shop must run 2.0.0 or later", app.image("1.0.0"));
    assert!(message(&here).starts_with(&said), "{}", message(&here));
    // Nothing is written while nothing happens, and nothing is begun.
    let before = here.object()["metadata"]["resourceVersion"].clone();
    std::thread::sleep(Duration::from_secs(15));
    assert_eq!(here.object()["metadata"]["resourceVersion"], before);
    assert_eq!(here.kubectl(&["get", "jobs", "--output", "name"]), "");

    app.deploy("2.0.0", &[]);
    here.wait_until_ready();
    assert_eq!(app.serving(), ["2.0.0"]);
    assert_eq!(here.database.one("SELECT to_regclass('orders') IS NULL"), "f");
}

#[test]
fn a_change_waits_for_a_metric_and_is_watched_also_while_the_operator_is_killed() {
    const TEST: &str = "a_change_waits_for_a_metric_and_is_watched_also_while_the_operator_is_killed";
    let Some(here) = Namespace::new("e2e-prometheus") else { return };
    here.secret();
    here.scripts(&[("1.sql", TABLE)]);
    here.migrate(&["1.sql"], |m| {
        m["spec"]["checks"] = json!({
            "pre": { "metrics": [prometheus_check("errors", "max(shop_error_rate)", 0)] },
            "post": { "metrics": [prometheus_check("errors-after", "max(shop_error_rate)", 30)] },
        });
    });
    // There is no server: not a pass.
    here.wait_for("PreCheckMetricFailed");
    assert!(message(&here).contains("metric errors cannot be read"), "{}", message(&here));
    let Some(prometheus) = Prometheus::start(here.cluster) else {
        return skipped(TEST, "there is no Prometheus: apt-get install prometheus");
    };
    // There is one, and it has no such series.
    here.until("the series is missed", || message(&here).contains("no series fits"));
    prometheus.values.set("shop_error_rate", "0.25");
    here.until("the value is read", || message(&here).contains("metric errors is 0.25 and must be < 0.05"));
    assert_eq!(here.reason(), "PreCheckMetricFailed");
    assert_eq!(here.kubectl(&["get", "jobs", "--output", "name"]), "");
    prometheus.values.set("shop_error_rate", "0.01");
    here.wait_for("Baking");
    assert_eq!(here.condition("Progressing")["status"], "True");
    assert_eq!(here.database.one("SELECT to_regclass('orders') IS NULL"), "f");
    here.until("it was looked at", || {
        here.object()["status"]["postChecks"]["metrics"][0]["watchedSeconds"].as_u64() >= Some(5)
    });
    let operator =
        ["--namespace", SYSTEM, "delete", "pods", "--selector", "app.kubernetes.io/component=operator"];
    here.cluster.kubectl(&[&operator[..], &["--grace-period=0", "--force", "--wait=false"]].concat());
    here.wait_until_ready();
    let baked = here.object()["status"]["postChecks"].clone();
    assert_eq!(
        (&baked["result"], &baked["metrics"][0]["value"]),
        (&json!("Passed"), &json!("0.01")),
        "{baked}"
    );
    assert!(baked["metrics"][0]["watchedSeconds"].as_u64() >= Some(30), "{baked}");
}

#[test]
fn a_change_whose_metric_is_bad_is_taken_back_and_the_old_pods_serve() {
    let Some(here) = Namespace::new("e2e-bake") else { return };
    let api = MetricsApi::start(here.cluster, here.name);
    let app = App::new(&here);
    app.account();
    app.deploy("1.0.0", &[]);
    app.serves("1.0.0");
    here.secret();
    here.database
        .server
        .query("shop", "CREATE TABLE users AS SELECT i AS id FROM generate_series(1, 1000) i")
        .unwrap();
    here.database.server.query("shop", "ALTER TABLE users ADD PRIMARY KEY (id)").unwrap();
    here.scripts(&[("1.sql", "ALTER TABLE users ALTER COLUMN id TYPE bigint;")]);
    api.values.set("queue_length", "7k");
    api.values.set("http_latency_p99", "120");
    here.migrate(&["1.sql"], |m| {
        m["spec"]["migration"]["strategy"] = json!("shadow-table");
        m["spec"]["checks"] = json!({
            "pre": { "metrics": [{
                "name": "queue", "source": "External", "metricName": "queue_length",
                "threshold": { "operator": "<=", "value": "100" },
            }] },
            "post": { "metrics": [{
                "name": "latency", "source": "Custom", "metricName": "http_latency_p99",
                "target": { "type": "Pods", "pods": { "selector": { "matchLabels": { "app": "shop" } } } },
                "threshold": { "operator": "<", "value": "500" }, "bakeSeconds": 120, "intervalSeconds": 5,
            }] },
        });
    });
    here.wait_for("PreCheckMetricFailed");
    assert!(message(&here).contains("metric queue is 7000 and must be <= 100"), "{}", message(&here));
    app.deploy(
        "2.0.0",
        &[json!({ "name": "wait", "args": ["wait", "--migration", "change", "--timeout", "1h"] })],
    );
    here.until("the new Pod waits", || app.waiting().contains("PreCheckMetricFailed"));

    api.values.set("queue_length", "5");
    here.wait_for("Baking");
    let kind = "SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'id'";
    assert_eq!(here.database.one(kind), "bigint");
    // A Pod that serves and has no value is not passed over; here all that serve have one.
    here.until("it was read", || here.object()["status"]["postChecks"]["metrics"][0]["value"] == "120");
    assert_eq!(app.serving(), ["1.0.0"]);
    here.database.server.query("shop", "INSERT INTO users VALUES (2000)").unwrap();
    api.values.set("http_latency_p99", "812");
    here.until("it is taken back", || here.object()["status"]["phase"] == "RolledBack");
    assert!(message(&here).starts_with("metric latency is 812"), "{}", message(&here));
    assert_eq!(here.database.one(kind), "integer");
    assert_eq!(here.database.one("SELECT count(*) FROM users WHERE id = 2000"), "1");
    here.until("the new Pod is told", || app.waiting().contains("RolledBack"));
    assert_eq!(app.serving(), ["1.0.0"], "{}", here.story());
}

#[test]
fn pods_that_need_a_version_wait_for_it_with_the_secret_alone() {
    let Some(here) = Namespace::new("e2e-wait") else { return };
    let app = App::new(&here);
    here.apply(&json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "app" },
        "automountServiceAccountToken": false,
    }));
    here.secret();
    app.deploy("1.0.0", &[]);
    app.serves("1.0.0");
    let key = |variable: &str, key: &str| json!({ "name": variable, "valueFrom": { "secretKeyRef": { "name": "db", "key": key } } });
    let value = |variable: &str, value: &str| json!({ "name": variable, "value": value });
    app.deploy(
        "2.0.0",
        &[json!({
            "name": "wait",
            "args": ["wait", "--to", "change/1", "--timeout", "1h"],
            "env": [
                key("PGUSER", "username"), key("PGPASSWORD", "password"), value("PGHOST", &here.cluster.host),
                value("PGPORT", &here.database.port.to_string()), value("PGDATABASE", "shop"),
                value("PGSSLMODE", "disable"),
            ],
        })],
    );
    here.until("the new Pod waits", || app.waiting().contains("version change/1 is not applied"));
    here.scripts(&[("1.sql", "CREATE TABLE orders (id int); SELECT 1 / 0;")]);
    here.migrate(&["1.sql"], |_| {});
    here.until("it failed", || {
        ["Failed", "RolledBack"].contains(&here.object()["status"]["phase"].as_str().unwrap_or_default())
    });
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(app.serving(), ["1.0.0"], "{}", here.story());

    here.scripts(&[("1.sql", TABLE)]);
    here.kubectl(&["annotate", "dbm", "change", "cofferdam.dev/retry=1"]);
    here.wait_until_ready();
    app.serves("2.0.0");
}
