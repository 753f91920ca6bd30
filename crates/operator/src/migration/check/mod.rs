//! What is wrong with an object, as far as the object alone shows it and the schema cannot say it. The webhook refuses by
//! it, and the operator where the webhook is off, with the same words.

mod scripts;
mod syntax;

#[cfg(test)]
mod tests;

use std::fmt;

use cofferdam_api::checks::MetricCheck;
use cofferdam_api::{DatabaseMigration, DatabaseMigrationSpec, MigrationApproval};

pub(super) use syntax::amount;

use super::gaps;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `spec.backup`.
    pub field: String,
    /// What, why, and what to do.
    pub why: String,
}

impl Problem {
    pub(crate) fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.why)
    }
}

/// All that is wrong with a migration.
pub fn problems(migration: &DatabaseMigration) -> Vec<Problem> {
    let spec = &migration.spec;
    let mut found: Vec<Problem> = gaps::refused(spec);
    references(spec, &mut found);
    scripts::problems(spec.migration.scripts.as_deref().unwrap_or_default(), &mut found);
    for check in &spec.validation.pre_checks {
        if let Some(Err(malformed)) = check.threshold.as_ref().map(cofferdam_api::value::Volume::parse) {
            found.push(Problem::new("spec.validation.preChecks.threshold", malformed.to_string()));
        }
    }
    if let Some(Err(malformed)) = spec.migration.park_for.as_ref().map(cofferdam_api::value::Span::parse) {
        found.push(Problem::new("spec.migration.parkFor", malformed.to_string()));
    }
    let compared = &spec.validation.data_integrity_checks;
    // The schema refuses it, too; an object of an older schema may have it.
    if !compared.enabled && compared.reason.is_none() {
        found.push(Problem::new(
            "spec.validation.dataIntegrityChecks.reason",
            "without a comparison a swap proves nothing; write why it is not wanted, or leave enabled out",
        ));
    }
    let container = spec.migration.container.as_ref().map(|container| &container.image);
    for (field, image) in [
        ("spec.migration.image", spec.migration.image.as_ref()),
        ("spec.migration.container.image", container),
    ] {
        if let Some(Err(why)) = image.map(|image| syntax::image(image.as_str())) {
            found.push(Problem::new(field, why));
        }
    }
    if let Some(Err(why)) =
        spec.migration.verify.as_ref().map(|verify| syntax::public_key(&verify.public_key))
    {
        found.push(Problem::new("spec.migration.verify.publicKey", why));
    }
    selectors(spec, &mut found);
    runner(spec, &mut found);
    found
}

/// Why a migration is not carried out; for people. The same words as those of the webhook.
pub fn refused(migration: &DatabaseMigration) -> Option<String> {
    let all: Vec<String> = problems(migration).iter().map(Problem::to_string).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// What is wrong with an approval that `user` makes. Without a user nothing is said of who it is.
pub fn of_approval(approval: &MigrationApproval, user: Option<&str>) -> Vec<Problem> {
    let mut found = Vec::new();
    if NO_PLANS.contains(&approval.spec.plan_digest.as_str()) {
        found.push(Problem::new(
            "spec.planDigest",
            "no plan has this digest; take the one that `kubectl get dbm NAME --output \
             jsonpath={.status.planDigest}` prints",
        ));
    }
    if let (Some(named), Some(user)) = (&approval.spec.approved_by, user)
        && named != user
    {
        found.push(Problem::new(
            "spec.approvedBy",
            format!(
                "says {named:?}, and it is {user:?} who makes this approval; leave it out, and it is written"
            ),
        ));
    }
    found
}

/// What stands in a form that nobody filled in: of nothing, and noughts.
const NO_PLANS: &[&str] = &[
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "sha256:0000000000000000000000000000000000000000000000000000000000000000",
];

/// Names of objects of the same namespace that no object can have: the pattern of the schema lets `a..b` pass.
fn references(spec: &DatabaseMigrationSpec, found: &mut Vec<Problem>) {
    let database = &spec.database;
    let source = &spec.migration;
    let mut all: Vec<(&str, &str)> = Vec::new();
    all.extend(database.connection_secret.iter().map(|n| ("spec.database.connectionSecret", n.as_str())));
    if let Some(connection) = &database.connection {
        let reference = &connection.url_secret_ref;
        all.push(("spec.database.connection.urlSecretRef.name", reference.name.as_str()));
        if let Err(why) = syntax::key(&reference.key.0) {
            found.push(Problem::new("spec.database.connection.urlSecretRef.key", why));
        }
    }
    all.extend(source.config_maps.iter().flatten().map(|m| ("spec.migration.configMaps", m.name.as_str())));
    all.extend(source.previous.iter().map(|n| ("spec.migration.previous", n.as_str())));
    all.extend(
        spec.runner.image_pull_secrets.iter().map(|s| ("spec.runner.imagePullSecrets", s.name.as_str())),
    );
    if let Some(secret) = spec.backup.as_ref().and_then(|backup| backup.credentials_secret.as_ref()) {
        all.push(("spec.backup.credentialsSecret", secret.as_str()));
    }
    if let Some(key) = spec.backup.as_ref().and_then(|backup| backup.identity_secret_ref.as_ref()) {
        all.push(("spec.backup.identitySecretRef.name", key.name.as_str()));
        if let Err(why) = syntax::key(&key.key.0) {
            found.push(Problem::new("spec.backup.identitySecretRef.key", why));
        }
    }
    for (field, name) in all {
        if let Err(why) = syntax::name(name) {
            found.push(Problem::new(field, why));
        }
    }
}

/// Selectors that select nothing, because the API refuses them.
fn selectors(spec: &DatabaseMigrationSpec, found: &mut Vec<Problem>) {
    let mut check = |field: &str, selector: &_| {
        if let Err(why) = syntax::selector(selector) {
            found.push(Problem::new(field, why));
        }
    };
    let mut metrics = |field: &str, all: &[MetricCheck]| {
        for metric in all {
            if let Some(pods) = metric.target.as_ref().and_then(|target| target.pods.as_ref()) {
                check(&format!("{field}.target.pods.selector"), &pods.selector);
            }
            if let Some(selector) = &metric.metric_selector {
                check(&format!("{field}.metricSelector"), selector);
            }
        }
    };
    if let Some(pre) = &spec.checks.pre {
        metrics("spec.checks.pre.metrics", &pre.metrics);
    }
    if let Some(post) = &spec.checks.post {
        metrics("spec.checks.post.metrics", &post.metrics);
    }
    for versions in spec.checks.pre.iter().flat_map(|pre| &pre.min_pod_versions) {
        check("spec.checks.pre.minPodVersions.selector", &versions.selector);
    }
}

/// What would make a Job that the API refuses.
fn runner(spec: &DatabaseMigrationSpec, found: &mut Vec<Problem>) {
    let runner = &spec.runner;
    for (key, value) in &runner.node_selector {
        for wrong in
            [syntax::label_key(key), syntax::label_value(&value.0)].into_iter().filter_map(Result::err)
        {
            found.push(Problem::new("spec.runner.nodeSelector", wrong));
        }
    }
    for toleration in &runner.tolerations {
        let value = toleration.value.as_ref().map_or(Ok(()), |value| syntax::label_value(&value.0));
        for wrong in [syntax::label_key(&toleration.key), value].into_iter().filter_map(Result::err) {
            found.push(Problem::new("spec.runner.tolerations", wrong));
        }
    }
    let (Some(requests), Some(limits)) = (&runner.resources.requests, &runner.resources.limits) else {
        return;
    };
    for (name, request, limit) in [
        ("cpu", &requests.cpu, &limits.cpu),
        ("memory", &requests.memory, &limits.memory),
        ("ephemeral-storage", &requests.ephemeral_storage, &limits.ephemeral_storage),
    ] {
        let (Some(request), Some(limit)) = (request, limit) else { continue };
        if syntax::amount(&request.0) > syntax::amount(&limit.0).map(|limit| limit * (1.0 + 1e-9)) {
            found.push(Problem::new(
                format!("spec.runner.resources.requests.{name}"),
                format!("{} is more than limits.{name}, which is {}; raise the limit", request.0, limit.0),
            ));
        }
    }
}
