//! Drills: migrations of the operator that go wrong on purpose while an application writes. Each is taken back by itself,
//! no write that was acknowledged is lost, those who are to be told are told by mail and by webhook, and the record
//! holds.

use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::{MAIL_PORT, SYSTEM};
use crate::images::planted;
use crate::metrics::MetricsApi;
use crate::namespace::Namespace;
use crate::place::{TABLE, WIDER};
use crate::shared::post::{self, Post};
use crate::shared::receiver::Receiver;
use crate::shared::writer::Writer;
use crate::support::ended;

/// The functions of which the server takes the one for the column's type: after the change it is the slow one.
const COST: &str = "CREATE EXTENSION pg_stat_statements;
 CREATE FUNCTION cost(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
 CREATE FUNCTION cost(bigint) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.03); RETURN 1; END'";
const READ: &str = "SELECT cost(id) FROM t WHERE id = 30";
const KIND: &str =
    "SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'id'";

/// It has the operator alone: its runners are others, and the mail server has one port, which the chart names.
struct Drill<'a> {
    here: &'a Namespace,
    mail: Post,
    hook: Receiver,
    writer: Writer,
    _runners: Runners<'a>,
}

impl<'a> Drill<'a> {
    /// A table, an application that writes into it, who is to be told, and runners with this mistake, if any. `None`:
    /// there is no mail server.
    fn begin(here: &'a Namespace, mistake: &str, also: &'static str) -> Option<Self> {
        let host = here.cluster.host.as_str();
        let mail = Post::start(here.name, (host, host), MAIL_PORT)?;
        let hook = Receiver::at(host);
        here.secret();
        let secret = |name: &str, data: Value| {
            here.apply(&json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data }));
        };
        secret(
            "smtp",
            json!({ "username": post::USER, "password": post::PASSWORD, "ca.crt": mail.authority }),
        );
        secret("hook", json!({ "url": format!("{}/hook", hook.url), "key": "k".repeat(32) }));
        query(here, &TABLE.replace("{t}", "t"));
        if !also.is_empty() {
            query(here, COST);
            for _ in 0..200 {
                query(here, also);
            }
        }
        query(here, "VACUUM ANALYZE");
        let runners = Runners::of(here, &planted(here, mistake));
        let writer = Writer::at(here.database.server.url("shop"), also);
        Some(Self { here, mail, hook, writer, _runners: runners })
    }

    /// `ALTER TABLE t` with these clauses, as an online change.
    fn migrate(&self, clauses: &str, keys: &[&str], more: impl FnOnce(&mut Value)) {
        self.here.scripts(&[
            ("wider.sql", &format!("ALTER TABLE t {clauses};")),
            ("valid.sql", "SELECT id, note FROM t WHERE id < 1000 AND note NOT LIKE 'note %';"),
        ]);
        self.here.migrate(keys, |m| {
            m["spec"]["migration"]["strategy"] = json!("shadow-table");
            m["spec"]["notifications"] = json!({
                "email": { "recipients": ["dba@company.com"] },
                "webhook": {
                    "urlSecretRef": { "name": "hook", "key": "url" },
                    "signingKeySecretRef": { "name": "hook", "key": "key" },
                },
            });
            more(m);
        });
    }

    /// It was taken back by itself, for this reason; `why` is in the status, `told` in what was told.
    fn taken_back(self, reason: &str, why: &str, told: (&str, &str)) {
        let here = self.here;
        here.until("it is taken back", || here.object()["status"]["phase"] == "RolledBack");
        let ready = here.condition("Ready");
        assert_eq!(ready["reason"], reason, "{ready:#}");
        assert!(ready["message"].as_str().unwrap().contains(why), "{ready:#}");
        assert_eq!(here.database.one(KIND), "integer");
        self.writer.all_there(&|sql| query(here, sql));
        let left = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cofferdam\\_%'
                    UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE 'cofferdam%'";
        assert_eq!(query(here, left), Vec::<Vec<String>>::new());

        // Told once, by both.
        let (title, cause) = told;
        here.until("both are told", || {
            let told = |text: &str| text.contains(title);
            self.mail.mails().iter().any(|mail| told(mail))
                && self.hook.bodies().iter().any(|body| told(&body.to_string()))
        });
        let events = self.hook.bodies();
        let ends: Vec<&Value> = events
            .iter()
            .filter(|event| {
                ["failed", "rolled-back"]
                    .iter()
                    .any(|word| event["type"] == format!("dev.cofferdam.run.{word}"))
            })
            .collect();
        assert_eq!(ends.len(), 1, "{events:#?}");
        assert_eq!(ends[0]["type"], "dev.cofferdam.run.rolled-back");
        assert!(ends[0]["data"]["why"].as_str().unwrap_or_default().contains(cause), "{:#}", ends[0]);
        assert_eq!(self.mail.mails().iter().filter(|mail| mail.contains(title)).count(), 1);

        // The record holds and shows the picture.
        let run = here.database.one("SELECT id FROM cofferdam.run ORDER BY started_at LIMIT 1");
        cofferdam(here, &["audit", "verify"]);
        let page = cofferdam(here, &["history", &run, "--html", "-"]);
        for words in ["<svg", "RolledBack", ends[0]["data"]["hash"].as_str().unwrap()] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }
}

fn query(here: &Namespace, sql: &str) -> Vec<Vec<String>> {
    let rows = here.database.server.query("shop", sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let text = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".into());
    rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
}

/// The command line, on the database of the drill. It must succeed.
fn cofferdam(here: &Namespace, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    let done = ended(command.args(arguments).env("COFFERDAM_URL", here.database.server.url("shop")));
    assert_eq!(done.code, 0, "{arguments:?}\n{}\n{}", done.stdout, done.stderr);
    done.stdout
}

/// Runners of this image, for as long as it lives.
struct Runners<'a>(&'a Namespace, String);

impl<'a> Runners<'a> {
    fn of(here: &'a Namespace, image: &str) -> Self {
        let path =
            "jsonpath={.spec.template.spec.containers[0].env[?(@.name=='COFFERDAM_RUNNER_IMAGE')].value}";
        let before =
            here.cluster.kubectl(&["--namespace", SYSTEM, "get", "deployment/cofferdam", "--output", path]);
        let runners = Self(here, before);
        runners.set(image);
        runners
    }

    fn set(&self, image: &str) {
        let variable = format!("COFFERDAM_RUNNER_IMAGE={image}");
        self.0.cluster.kubectl(&["--namespace", SYSTEM, "set", "env", "deployment/cofferdam", &variable]);
        let wait = ["--namespace", SYSTEM, "rollout", "status", "deployment/cofferdam", "--timeout=120s"];
        self.0.cluster.kubectl(&wait);
    }
}

impl Drop for Runners<'_> {
    fn drop(&mut self) {
        self.set(&self.1.clone());
    }
}

const FAILED: &str = "shop: change/wider failed and was taken back; nothing of it is left";

/// A mistake of ours in the copy, which the comparison finds before the swap.
#[test]
fn a_drill_with_a_copy_that_spoils_values() {
    let Some(here) = Namespace::alone("e2e-drill-corrupts") else { return };
    let Some(drill) = Drill::begin(&here, "truncated-value", "") else { return };
    drill.migrate(WIDER, &["wider.sql"], |_| {});
    drill.taken_back("VerificationMismatch", "CF2603", (FAILED, "CF2603"));
}

#[test]
fn a_drill_with_a_change_that_slows_statements_down() {
    let Some(here) = Namespace::alone("e2e-drill-slows") else { return };
    let Some(drill) = Drill::begin(&here, "", READ) else { return };
    drill.migrate(WIDER, &["wider.sql"], |m| {
        m["spec"]["validation"] = json!({ "performanceThresholds": { "maxSlowdown": "4" }, "bake": "150s" });
    });
    drill.taken_back("RolledBack", "times as long as before", (FAILED, "maxSlowdown 4: "));
}

/// Nobody opens the gate.
#[test]
fn a_drill_with_a_change_that_overruns() {
    let Some(here) = Namespace::alone("e2e-drill-overruns") else { return };
    let Some(drill) = Drill::begin(&here, "", "") else { return };
    drill.migrate(WIDER, &["wider.sql"], |m| {
        m["spec"]["cutover"] = json!({ "mode": "manual" });
        m["spec"]["validation"] = json!({ "performanceThresholds": { "maxMigrationTime": "8s" } });
    });
    drill.taken_back(
        "DeadlineExceeded",
        "maxMigrationTime 8.0 s: the run began",
        (FAILED, "maxMigrationTime"),
    );
}

/// A mistake of the migration's author that no comparison can know of: a query of the application's does, after the swap.
#[test]
fn a_drill_with_a_check_that_breaks_after_the_swap() {
    let Some(here) = Namespace::alone("e2e-drill-check") else { return };
    let Some(drill) = Drill::begin(&here, "", "") else { return };
    // The check holds at the end of the script, and no more once the application has written this.
    drill.migrate(WIDER, &["wider.sql", "valid.sql"], |m| {
        m["spec"]["migration"]["scripts"][1]["type"] = json!("validation");
        m["spec"]["validation"] = json!({ "bake": "150s" });
    });
    let checked =
        "SELECT 1 FROM cofferdam.journal WHERE entry::jsonb @> '{\"what\": \"ended\", \"step\": \"check\"}'";
    here.until("it is watched", || {
        here.database.server.query("shop", checked).is_ok_and(|rows| !rows.is_empty())
    });
    assert_eq!(here.database.one(KIND), "bigint");
    query(&here, "UPDATE t SET note = 'the check breaks' WHERE id = 20");
    drill.taken_back("RolledBack", "returned 20 | the check breaks", (FAILED, "the check breaks"));
    assert_eq!(here.database.one("SELECT note FROM t WHERE id = 20"), "the check breaks");
}

/// The operator looks at the metrics after the swap, and asks for the way back.
#[test]
fn a_drill_with_a_metric_that_breaks_after_the_swap() {
    let Some(here) = Namespace::alone("e2e-drill-metric") else { return };
    let api = MetricsApi::start(here.cluster, here.name);
    api.values.set("errors", "1");
    let Some(drill) = Drill::begin(&here, "", "") else { return };
    drill.migrate(WIDER, &["wider.sql"], |m| {
        m["spec"]["checks"] = json!({ "post": { "metrics": [{
            "name": "errors", "source": "External", "metricName": "errors",
            "threshold": { "operator": "<", "value": "5" }, "bakeSeconds": 150, "intervalSeconds": 5,
        }] } });
    });
    here.wait_for("Baking");
    assert_eq!(here.database.one(KIND), "bigint");
    query(&here, "INSERT INTO t (id, note) VALUES (7, 'since')");
    api.values.set("errors", "40");
    drill.taken_back("RolledBack", "metric errors is 40", (FAILED, "metric errors is 40"));
    assert_eq!(here.database.one("SELECT note FROM t WHERE id = 7"), "since");
}

/// The runner reads the metrics of the server's Pods, with the rights that `runner.podMetrics` of the chart gives it.
#[test]
fn a_drill_with_a_server_that_gets_too_busy_after_the_swap() {
    let Some(here) = Namespace::alone("e2e-drill-busy") else { return };
    let api = MetricsApi::start(here.cluster, here.name);
    api.values.set("cpu", "100m");
    server_pods(&here);
    let Some(drill) = Drill::begin(&here, "", "") else { return };
    drill.migrate(WIDER, &["wider.sql"], |m| {
        m["spec"]["validation"] = json!({
            "bake": "150s",
            "performanceThresholds": {
                "maxCpuUsage": "80%",
                "serverPods": { "selector": { "matchLabels": { "app": "postgres" } }, "containerName": "postgres" },
            },
        });
    });
    here.until("it is swapped", || here.database.one(KIND) == "bigint");
    query(&here, "INSERT INTO t (id, note) VALUES (7, 'since')");
    api.values.set("cpu", "490m");
    drill.taken_back("RolledBack", "metrics.k8s.io, of Pods with app=postgres", (FAILED, "maxCpuUsage 80 %"));
    assert_eq!(here.database.one("SELECT note FROM t WHERE id = 7"), "since");
}

/// The Pod of a database server, as far as the API knows of it: no node takes it. And who may read its metrics.
fn server_pods(here: &Namespace) {
    let resources = json!({ "limits": { "cpu": "500m", "memory": "64Mi" } });
    let hardened = json!({
        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": { "drop": ["ALL"] },
        "seccompProfile": { "type": "RuntimeDefault" },
    });
    here.apply(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "postgres-0", "labels": { "app": "postgres" } },
        "spec": {
            "nodeSelector": { "nowhere": "true" },
            "containers": [{
                "name": "postgres", "image": "postgres", "resources": resources, "securityContext": hardened,
            }],
        },
    }));
    let (group, role) = ("rbac.authorization.k8s.io", "pod-metrics");
    here.apply(&json!({
        "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": { "name": role },
        "rules": [{ "apiGroups": ["", "metrics.k8s.io"], "resources": ["pods"], "verbs": ["list"] }],
    }));
    here.apply(&json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": { "name": role },
        "roleRef": { "apiGroup": group, "kind": "Role", "name": role },
        "subjects": [{ "kind": "ServiceAccount", "name": "cofferdam-runner", "namespace": here.name }],
    }));
}
