//! DatabaseMigrations to measure with.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::api::Api;

/// How many connections make objects side by side.
const CONNECTIONS: usize = 8;

/// One as people write it, applied by kubectl, which leaves a copy of it in an annotation.
pub(super) fn object(name: &str, host: &str, database: &str) -> Value {
    let spec = json!({
        "database": {
            "type": "postgresql", "connectionSecret": "db", "host": host, "database": database,
            "tls": { "mode": "verify-full" },
        },
        "migration": { "strategy": "auto", "scripts": [
            { "name": "schema-changes", "type": "schema", "source": "configmap://scripts/1.sql" },
        ] },
        "validation": {
            "preChecks": [{ "type": "connection" }, { "type": "permissions" }],
            "dataIntegrityChecks": { "enabled": true, "samplePercentage": 10, "checksumValidation": true },
        },
        "rollback": { "automatic": true, "conditions": ["data-corruption", "timeout"], "window": "24h" },
        "runner": { "activeDeadlineSeconds": 900 },
    });
    let mut object = json!({
        "apiVersion": "cofferdam.dev/v1alpha1",
        "kind": "DatabaseMigration",
        "metadata": { "name": name, "labels": { "app.kubernetes.io/part-of": "shop" } },
        "spec": spec,
    });
    let applied = object.to_string();
    object["metadata"]["annotations"] =
        json!({ "kubectl.kubernetes.io/last-applied-configuration": applied });
    object
}

/// The status of one that has ended.
fn ended(name: &str) -> Value {
    let at = "2026-11-21T10:00:00Z";
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": at, "observedGeneration": 1,
        })
    };
    let digest = format!("sha256:{}", "ab".repeat(32));
    let run = format!("0198c5b2-7a00-7c3e-9d51-{:0>12}", name.len());
    let done = "1 migration is applied: 1 was pending";
    json!({ "status": {
        "observedGeneration": 1, "phase": "Succeeded", "database": "shop",
        "target": {
            "identity": "7301994728113652789/shop", "address": "db:5432", "server": "PostgreSQL 15.18",
        },
        "startTime": at, "completionTime": at, "runId": run, "jobName": format!("{name}-apply-0123456789"),
        "planDigest": digest, "sourceDigest": digest,
        "conditions": [
            condition("Ready", "True", "MigrationComplete", done),
            condition("Progressing", "False", "MigrationComplete", done),
            condition("Stalled", "False", "MigrationComplete", done),
            condition("Planned", "True", "MigrationComplete", "1 plan of 1 step"),
            condition("LintPassed", "True", "MigrationComplete", "no errors"),
        ],
        "progress": { "totalSteps": 1, "completedSteps": 1, "percent": 100, "summary": "100%" },
        "metrics": { "duration": "3s" },
        "history": [{
            "runId": run, "generation": 1, "result": "Succeeded", "reason": "MigrationComplete",
            "completionTime": at, "planDigest": digest,
        }],
    } })
}

/// So many that have ended; of each hundred the first five are suspended in place of that.
pub(super) fn idle(api: &Api, path: &str, count: usize) -> Result<(), String> {
    side_by_side(
        count,
        |connect, number| {
            let name = format!("idle-{number:05}");
            let mut new = object(&name, &format!("db-{}.example.com", number % 500), "shop");
            let suspended = number % 100 < 5;
            new["spec"]["suspend"] = json!(suspended);
            connect.create(path, &new)?;
            if suspended {
                return Ok(());
            }
            connect.merge(&format!("{path}/{name}/status"), &ended(&name))
        },
        api,
    )
}

/// Does something for each number, on some connections.
pub(super) fn side_by_side(
    count: usize,
    work: impl Fn(&mut super::api::Connection, usize) -> Result<(), String> + Sync,
    api: &Api,
) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = api.connect()?;
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return Ok(());
                        }
                        work(&mut connection, number)?;
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| Err("a thread ended before its work".to_owned()))
        })
    })
}
