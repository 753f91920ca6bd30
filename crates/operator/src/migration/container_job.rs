//! The Job of a container of the user. Pure.
//!
//! Its init container is ours and opens the way in the journal. The container itself has no token of the API, no
//! volume but `/tmp` and the files of TLS, and what is secret only as references to keys of the Secret.

use k8s_openapi::api::batch::v1::Job;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use cofferdam_api::DatabaseMigration;
use cofferdam_api::database::{Database, TlsMode};
use cofferdam_api::source::{Container, EnvVar};

use super::build::{GRACE, MODE, annotations, labels, of_container, of_pod, pull_secrets, volumes};
use super::container::THEIRS;
use super::pod;
use super::work::{self, Work};
use crate::contract;
use crate::outcome::Login;
use crate::settings::RunnerSettings;

/// The name of our init container.
pub const PREFLIGHT: &str = "preflight";
/// The name of the user's container.
pub const MIGRATION: &str = "migration";

/// Where a client of the API looks for its token.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The most of `/tmp`.
const SCRATCH: &str = "1Gi";

/// The Job.
///
/// # Errors
/// Where the spec holds what does not fit into a Job; for people.
pub fn job(
    migration: &DatabaseMigration,
    container: &Container,
    work: &Work,
    settings: &RunnerSettings,
) -> Result<Job, String> {
    let spec = &migration.spec.runner;
    let owner = migration.controller_owner_ref(&()).ok_or("the object has no UID")?;
    let labels = labels(migration, THEIRS);
    let login = work.login.clone().unwrap_or_default();
    let image = image(migration, container, work)?;
    let tls = tls(&migration.spec.database, &login);
    let (mut volumes, mut mounts) = volumes(migration, None);
    volumes.extend([
        json!({ "name": "tmp", "emptyDir": { "sizeLimit": SCRATCH } }),
        json!({ "name": "token", "projected": { "defaultMode": MODE, "sources": token() } }),
    ]);
    mounts.push(json!({ "name": "token", "mountPath": TOKEN, "readOnly": true }));
    let mut theirs = vec![json!({ "name": "tmp", "mountPath": "/tmp" })];
    if !tls.is_empty() {
        let items: Vec<Value> = tls.iter().map(|key| json!({ "key": key, "path": key })).collect();
        let source =
            json!({ "secretName": secret(&migration.spec.database), "defaultMode": MODE, "items": items });
        volumes.push(json!({ "name": "tls", "secret": source }));
        theirs.push(json!({ "name": "tls", "mountPath": contract::TLS, "readOnly": true }));
    }
    let mut rules = Vec::new();
    if container.idempotent {
        let moved = json!([{ "type": "DisruptionTarget", "status": "True" }]);
        rules.push(json!({ "action": "Ignore", "onPodConditions": moved }));
    }
    // Where the way was not opened, another Pod would find the same; the runner after this Job looks.
    let closed = json!({ "containerName": PREFLIGHT, "operator": "NotIn", "values": [0] });
    rules.push(json!({ "action": "FailJob", "onExitCodes": closed }));
    let mut ours = runner(migration, work, settings);
    ours["volumeMounts"] = json!(mounts);
    ours["resources"] = settings.resources.clone();
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": work.job_name(migration),
            "namespace": migration.namespace(),
            "labels": labels,
            "annotations": annotations(migration, work),
            "ownerReferences": [owner],
        },
        "spec": {
            "backoffLimit": if container.idempotent { container.backoff_limit } else { 0 },
            "parallelism": container.parallelism,
            "completions": container.parallelism,
            "completionMode": if container.parallelism > 1 { "Indexed" } else { "NonIndexed" },
            "activeDeadlineSeconds": spec.active_deadline_seconds,
            // A second one only once the first is gone.
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": { "rules": rules },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "restartPolicy": "Never",
                    "serviceAccountName": settings.service_account,
                    // Only our init container mounts one.
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "terminationGracePeriodSeconds": GRACE,
                    "imagePullSecrets": pull_secrets(migration, settings),
                    "nodeSelector": spec.node_selector,
                    "tolerations": pod::tolerations(migration),
                    "securityContext": of_pod(),
                    "volumes": volumes,
                    "initContainers": [ours],
                    "containers": [{
                        "name": MIGRATION,
                        "image": image,
                        "command": container.command,
                        "args": container.args,
                        "env": environment(migration, container, &login, &tls),
                        "resources": pod::resources(migration, settings)?,
                        "volumeMounts": theirs,
                        // The last that it says, where it says nothing by itself.
                        "terminationMessagePolicy": "FallbackToLogsOnError",
                        "securityContext": of_container(),
                    }],
                },
            },
        },
    });
    serde_json::from_value(job).map_err(|e| e.to_string())
}

/// What the container is started from: where a signature is asked for, the image that has it, by its digest.
fn image<'a>(
    migration: &DatabaseMigration,
    container: &'a Container,
    work: &'a Work,
) -> Result<&'a str, String> {
    match (&work.image, &migration.spec.migration.verify) {
        (Some(pinned), _) => Ok(pinned),
        (None, None) => Ok(&container.image.0),
        (None, Some(_)) => Err(format!(
            "spec.migration.verify: the runner did not say which image of {} is signed; its image is older than the \
             operator",
            container.image.0
        )),
    }
}

/// Our init container.
fn runner(migration: &DatabaseMigration, work: &Work, settings: &RunnerSettings) -> Value {
    let plain = [
        (contract::NAMESPACE, migration.namespace().unwrap_or_default()),
        (contract::NAME, migration.name_any()),
        (contract::UID, migration.uid().unwrap_or_default()),
        (contract::FOR, work::base(migration)),
        (contract::JOB, work.job_name(migration)),
    ];
    let mut environment: Vec<Value> =
        plain.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    if let Some(image) = &work.image {
        environment.push(json!({ "name": contract::PINNED, "value": image }));
    }
    if !settings.plain_http.is_empty() {
        environment.push(json!({ "name": contract::PLAIN_HTTP, "value": settings.plain_http.join(",") }));
    }
    let pod = json!({ "fieldRef": { "fieldPath": "metadata.name" } });
    environment.push(json!({ "name": contract::POD, "valueFrom": pod }));
    json!({
        "name": PREFLIGHT,
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "args": ["runner", "--work", work.kind.word()],
        "env": environment,
        "terminationMessagePolicy": "File",
        "securityContext": of_container(),
    })
}

/// What the kubelet mounts by itself where a Pod does not say otherwise.
fn token() -> Value {
    let authority = json!([{ "key": "ca.crt", "path": "ca.crt" }]);
    json!([
        { "serviceAccountToken": { "path": "token", "expirationSeconds": 3607 } },
        { "configMap": { "name": "kube-root-ca.crt", "items": authority } },
        { "downwardAPI": { "items": [
            { "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } },
        ] } },
    ])
}

/// The Secret's name.
fn secret(database: &Database) -> &str {
    match (&database.connection, &database.connection_secret) {
        (Some(connection), _) => &connection.url_secret_ref.name.0,
        (None, Some(name)) => &name.0,
        (None, None) => "",
    }
}

/// The keys with files of TLS.
fn tls(database: &Database, login: &Login) -> Vec<&'static str> {
    if database.tls.mode == TlsMode::Disable {
        return Vec::new();
    }
    let has = |key: &str| login.keys.iter().any(|known| known == key);
    let pair = has("tls.crt") && has("tls.key");
    [("ca.crt", has("ca.crt")), ("tls.crt", pair), ("tls.key", pair)]
        .into_iter()
        .filter_map(|(key, there)| there.then_some(key))
        .collect()
}

/// The variables, ours first: what the user gives may refer to them as `$(PGHOST)`.
fn environment(
    migration: &DatabaseMigration,
    container: &Container,
    login: &Login,
    tls: &[&str],
) -> Vec<Value> {
    let plain = |name: &str, value: String| json!({ "name": name, "value": value });
    let mut all = connection(&migration.spec.database, login);
    all.push(plain("PGSSLMODE", migration.spec.database.tls.mode.word().into()));
    if migration.spec.database.tls.mode == TlsMode::VerifyFull {
        let file =
            if tls.contains(&"ca.crt") { format!("{}/ca.crt", contract::TLS) } else { "system".into() };
        all.push(plain("PGSSLROOTCERT", file));
    }
    for (name, key) in [("PGSSLCERT", "tls.crt"), ("PGSSLKEY", "tls.key")] {
        if tls.contains(&key) {
            all.push(plain(name, format!("{}/{key}", contract::TLS)));
        }
    }
    // The root file system cannot be written to, and the user has no entry in the image.
    all.extend([plain("HOME", "/tmp".into()), plain("TMPDIR", "/tmp".into())]);
    let given =
        |name: &Value| container.env.iter().any(|variable| Some(variable.name.0.as_str()) == name.as_str());
    all.retain(|variable| !given(&variable["name"]));
    all.extend(container.env.iter().map(variable));
    all
}

fn variable(variable: &EnvVar) -> Value {
    match &variable.secret_key_ref {
        Some(reference) => from_key(&variable.name.0, &reference.name.0, &reference.key.0),
        None => json!({ "name": variable.name, "value": variable.value.clone().unwrap_or_default() }),
    }
}

fn from_key(variable: &str, secret: &str, key: &str) -> Value {
    json!({ "name": variable, "valueFrom": { "secretKeyRef": { "name": secret, "key": key } } })
}

/// `DATABASE_URL`, and `PG*` where the Secret has parts.
fn connection(database: &Database, login: &Login) -> Vec<Value> {
    let secret = secret(database);
    if let Some(key) = &login.url {
        return vec![from_key("DATABASE_URL", secret, key)];
    }
    let has = |key: &str| login.keys.iter().any(|known| known == key);
    let plain = |name: &str, value: &str| json!({ "name": name, "value": value });
    let part = |name: &str, given: Option<String>, key: &str, default: &str| match given {
        // A $ in a value of the spec is none of a variable.
        Some(value) => plain(name, &value.replace("$(", "$$(")),
        None if has(key) => from_key(name, secret, key),
        None => plain(name, default),
    };
    let mut all = vec![
        part("PGHOST", database.host.as_ref().map(|host| host.0.clone()), "host", ""),
        part("PGPORT", database.port.map(|port| port.to_string()), "port", "5432"),
        part("PGDATABASE", database.database.as_ref().map(|name| name.0.clone()), "database", ""),
        from_key("PGUSER", secret, "username"),
    ];
    if has("password") {
        all.push(from_key("PGPASSWORD", secret, "password"));
    }
    all.push(plain("DATABASE_URL", &url(database, login, has("password"))));
    all
}

/// Kubernetes puts values in as they are. What may not stand in a URL so is left out of it: clients find it in `PG*`.
fn url(database: &Database, login: &Login, password: bool) -> String {
    let user = match (login.plain_login, password) {
        (true, true) => "$(PGUSER):$(PGPASSWORD)@",
        (true, false) => "$(PGUSER)@",
        (false, _) => "",
    };
    let host = if login.brackets { "[$(PGHOST)]" } else { "$(PGHOST)" };
    let name = if login.plain_database { "$(PGDATABASE)" } else { "" };
    format!("postgresql://{user}{host}:$(PGPORT)/{name}?sslmode={}", database.tls.mode.word())
}
