//! The Job of a runner. Pure.

use k8s_openapi::api::batch::v1::Job;
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use cofferdam_api::DatabaseMigration;
use cofferdam_api::names::{LABEL_GENERATION, LABEL_MIGRATION};
use cofferdam_api::reference::SecretKeyRef;

use super::container;
use super::container_job;
use super::gauges;
use super::notifying::notifying;
use super::pod;
use super::work::{self, Work};
use crate::contract::{self, Kind};
use crate::settings::RunnerSettings;

/// A runner that was lost is replaced so often.
const TRIES: u32 = 6;
/// Seconds that a runner has for stopping at a safe point.
pub(super) const GRACE: u32 = 60;
/// The user that runners run as: nobody's.
pub(super) const USER: u32 = 65532;
/// Readable for the runner's group, which is its own.
pub(super) const MODE: u32 = 0o440;

/// The Job that carries the work out.
///
/// # Errors
/// Where the spec holds what does not fit into a Job; for people.
pub fn job(migration: &DatabaseMigration, work: &Work, settings: &RunnerSettings) -> Result<Job, String> {
    if let (Kind::Container, Some(container)) = (work.kind, &migration.spec.migration.container) {
        return container_job::job(migration, container, work, settings);
    }
    let spec = &migration.spec.runner;
    let owner = migration.controller_owner_ref(&()).ok_or("the object has no UID")?;
    let labels = labels(migration, container::OURS);
    let annotations = annotations(migration, work);
    let mounted = mounted_image(migration, settings);
    let (mut volumes, mut mounts) = volumes(migration, mounted);
    if let Some(key) = identity(migration, work) {
        let items = json!([{ "key": key.key, "path": "identity" }]);
        let source = json!({ "secretName": key.name, "defaultMode": MODE, "items": items });
        volumes.push(json!({ "name": "backup-identity", "secret": source }));
        mounts.push(json!({ "name": "backup-identity", "mountPath": contract::IDENTITY, "readOnly": true }));
    }
    let told = notifying(migration, settings);
    volumes.extend(told.volumes);
    mounts.extend(told.mounts);
    let pull = pull_secrets(migration, settings);
    let mut arguments = vec!["runner".to_owned(), "--work".to_owned(), work.kind.word().to_owned()];
    if let Some(approved) = &work.approved {
        arguments.extend(["--approved".to_owned(), approved.clone()]);
    }
    let mut environment = vec![
        (contract::NAMESPACE, migration.namespace().unwrap_or_default()),
        (contract::NAME, migration.name_any()),
        (contract::UID, migration.uid().unwrap_or_default()),
    ];
    if let Some(left) = &work.left {
        environment.push((contract::LEFT, serde_json::to_string(left).map_err(|e| e.to_string())?));
    }
    if let Some(why) = &work.why {
        environment.push((contract::WHY, why.clone()));
    }
    if let Some(image) = mounted {
        environment.push((contract::MOUNTED, image.to_owned()));
    }
    if let Some(url) = &settings.pushgateway {
        environment.push((contract::PUSHGATEWAY, url.clone()));
    }
    if !settings.plain_http.is_empty() {
        environment.push((contract::PLAIN_HTTP, settings.plain_http.join(",")));
    }
    environment.extend(gauges::environment(migration, &settings.gauges));
    environment.extend(told.environment);
    let environment: Vec<Value> =
        environment.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": work.job_name(migration),
            "namespace": migration.namespace(),
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": {
            "backoffLimit": TRIES,
            "activeDeadlineSeconds": spec.active_deadline_seconds,
            // Never two runners at once, as far as it is in our hands; the lock in the database sees to the rest.
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": { "rules": rules() },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "restartPolicy": "Never",
                    "serviceAccountName": settings.service_account,
                    "automountServiceAccountToken": true,
                    "enableServiceLinks": false,
                    "terminationGracePeriodSeconds": GRACE,
                    "imagePullSecrets": pull,
                    "nodeSelector": spec.node_selector,
                    "tolerations": pod::tolerations(migration),
                    "securityContext": of_pod(),
                    "volumes": volumes,
                    "containers": [{
                        "name": "runner",
                        "image": settings.image,
                        "imagePullPolicy": settings.pull_policy,
                        "args": arguments,
                        "env": environment,
                        "resources": pod::resources(migration, settings)?,
                        "volumeMounts": mounts,
                        "terminationMessagePolicy": "File",
                        "securityContext": of_container(),
                    }],
                },
            },
        },
    });
    serde_json::from_value(job).map_err(|e| e.to_string())
}

/// The key that opens the backup: only who restores needs it, so nobody else gets it.
fn identity<'a>(migration: &'a DatabaseMigration, work: &Work) -> Option<&'a SecretKeyRef> {
    let backup = migration.spec.backup.as_ref().filter(|_| work.kind == Kind::Rollback)?;
    backup.identity_secret_ref.as_ref().filter(|_| backup.restore_on_rollback)
}

/// The labels of a Job and its Pods.
pub(super) fn labels(migration: &DatabaseMigration, component: &str) -> Value {
    json!({
        "app.kubernetes.io/name": "cofferdam",
        container::COMPONENT: component,
        "app.kubernetes.io/managed-by": "cofferdam-operator",
        LABEL_MIGRATION: migration.name_any(),
        LABEL_GENERATION: migration.metadata.generation.unwrap_or(0).to_string(),
        work::DATABASE: work::database(migration),
    })
}

/// The annotations of a Job.
pub(super) fn annotations(migration: &DatabaseMigration, work: &Work) -> Value {
    let mut annotations = json!({ work::BASE: work::base(migration), work::KIND: work.kind.word() });
    if let Some(approved) = &work.approved {
        annotations[work::APPROVED] = json!(approved);
    }
    if let Some(left) = &work.left {
        annotations[work::AFTER] = json!(left.job);
    }
    annotations
}

/// The Secrets for images.
pub(super) fn pull_secrets(migration: &DatabaseMigration, settings: &RunnerSettings) -> Vec<Value> {
    let mut pull: Vec<Value> = settings.pull_secrets.iter().map(|name| json!({ "name": name })).collect();
    let given = migration.spec.runner.image_pull_secrets.iter();
    pull.extend(given.map(|secret| json!({ "name": secret.name })));
    pull
}

/// As Pod Security `restricted` asks for it.
pub(super) fn of_pod() -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": { "type": "RuntimeDefault" },
    })
}

/// See [`of_pod`].
pub(super) fn of_container() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": { "drop": ["ALL"] },
    })
}

/// A runner that was sent away is replaced and not counted; one that gave up has said why, and another would say the
/// same; one that was lost is replaced some times.
fn rules() -> Value {
    json!([
        { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
        { "action": "Ignore", "onExitCodes": { "containerName": "runner", "operator": "In", "values": [130] } },
        { "action": "FailJob", "onExitCodes": {
            "containerName": "runner", "operator": "In", "values": [1, 2, 3, 4, 6, 7, 8, 9, 124],
        } },
    ])
}

/// The image with the migrations, where the kubelet mounts it. Only one that is named by its digest: nothing else says
/// which one it mounted, and that belongs into the status and the history. And none that has to be signed: the signature
/// lies in the registry, and who reads it there reads there what it is for.
pub(super) fn mounted_image<'a>(
    migration: &'a DatabaseMigration,
    settings: &RunnerSettings,
) -> Option<&'a str> {
    let source = &migration.spec.migration;
    let image = source.image.as_ref()?.as_str();
    (settings.image_volumes && source.verify.is_none() && image.contains("@sha256:")).then_some(image)
}

pub(super) fn volumes(migration: &DatabaseMigration, mounted: Option<&str>) -> (Vec<Value>, Vec<Value>) {
    let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
    let mut add = |name: String, at: String, source: (&str, Value)| {
        volumes.push(json!({ "name": name, source.0: source.1 }));
        mounts.push(json!({ "name": name, "mountPath": at, "readOnly": true }));
    };
    let database = &migration.spec.database;
    if let Some(secret) = &database.connection_secret {
        let source = json!({ "secretName": secret, "defaultMode": MODE });
        add("database".into(), contract::DATABASE.into(), ("secret", source));
    } else if let Some(connection) = &database.connection {
        let reference = &connection.url_secret_ref;
        let items = json!([{ "key": reference.key, "path": "url" }]);
        let source = json!({ "secretName": reference.name, "defaultMode": MODE, "items": items });
        add("database".into(), contract::DATABASE.into(), ("secret", source));
    }
    if let Some(reference) = database.aws.as_ref().and_then(|aws| aws.ca_config_map_ref.as_ref()) {
        let items = json!([{ "key": reference.key, "path": "ca.crt" }]);
        let source = json!({ "name": reference.name, "defaultMode": MODE, "items": items });
        add("authorities".into(), contract::AUTHORITIES.into(), ("configMap", source));
    }
    if let Some(secret) = migration.spec.backup.as_ref().and_then(|backup| backup.credentials_secret.as_ref())
    {
        let source = json!({ "secretName": secret, "defaultMode": MODE });
        add("backup".into(), contract::BACKUP.into(), ("secret", source));
    }
    let source = &migration.spec.migration;
    if let Some(scripts) = &source.scripts {
        let projected: Vec<Value> = scripts
            .iter()
            .filter_map(|script| {
                let (name, key) = script.source.parse().ok().map(|s| (s.name, s.key))?;
                let items = json!([{ "key": key, "path": format!("{}.sql", script.name) }]);
                Some(json!({ "configMap": { "name": name, "items": items } }))
            })
            .collect();
        let source = json!({ "sources": projected, "defaultMode": MODE });
        add("scripts".into(), contract::SCRIPTS.into(), ("projected", source));
    }
    for (number, reference) in source.config_maps.iter().flatten().enumerate() {
        let source = json!({ "name": reference.name, "defaultMode": MODE });
        add(
            format!("directory-{number}"),
            format!("{}/{number}", contract::DIRECTORY),
            ("configMap", source),
        );
    }
    if let Some(image) = mounted {
        let source = json!({ "reference": image, "pullPolicy": "IfNotPresent" });
        add("image".into(), contract::IMAGE.into(), ("image", source));
    } else if source.image.is_some() || (source.container.is_some() && source.verify.is_some()) {
        for (number, reference) in migration.spec.runner.image_pull_secrets.iter().enumerate() {
            let source = json!({ "secretName": reference.name, "defaultMode": MODE, "optional": true });
            add(format!("pull-{number}"), format!("{}/{number}", contract::PULL), ("secret", source));
        }
    }
    (volumes, mounts)
}
