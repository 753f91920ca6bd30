//! What is to be carried out for a DatabaseMigration, and the name of the Job that does it.

use sha2::{Digest, Sha256};

use kube::ResourceExt;

use cofferdam_api::DatabaseMigration;
use cofferdam_api::names::{ANNOTATION_FINALIZE, ANNOTATION_RETRY, ANNOTATION_ROLLBACK};
use cofferdam_api::runner::Runner;

use crate::contract::{Kind, Left};
use crate::outcome::Login;

/// Annotation of a Job: the digest of the parts of the spec that stand still while a run is active.
pub const BASE: &str = "cofferdam.dev/work";
/// Annotation of a Job: the kind of its work.
pub const KIND: &str = "cofferdam.dev/kind";
/// Annotation of a Job: the digest of the plan that was agreed to.
pub const APPROVED: &str = "cofferdam.dev/approved";
/// Annotation of a Job: the Job of the container that it comes after.
pub const AFTER: &str = "cofferdam.dev/after";
/// Label of a Job: the database that it works on, as a digest.
pub const DATABASE: &str = "cofferdam.dev/database";

/// Something that a runner is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// What.
    pub kind: Kind,
    /// The plan that was agreed to.
    pub approved: Option<String>,
    /// How many Jobs for the same came before.
    pub before: usize,
    /// How the container of the user ended that came before.
    pub left: Option<Left>,
    /// What its Secret has, for a container of the user.
    pub login: Option<Login>,
    /// The image that a container of the user is started from, by its digest, where a signature is asked for.
    pub image: Option<String>,
    /// Why a change is taken back, where it is no person who asks.
    pub why: Option<String>,
}

/// The digest of what stands still while a run is active: a Job that carries the same is a Job for this spec, also where
/// its generation is an older one, because only a throttle was changed since.
pub fn base(migration: &DatabaseMigration) -> String {
    let spec = &migration.spec;
    // How long a Job stays when it has ended is no work.
    let runner = Runner { ttl_seconds_after_finished: None, ..spec.runner.clone() };
    let parts = (
        (&spec.database, &spec.migration, &spec.validation, &spec.checks),
        (&spec.rollback, &spec.backup, runner, migration.annotations().get(ANNOTATION_RETRY)),
    );
    digest(&[&serde_json::to_string(&parts).unwrap_or_default()])
}

/// The digest of which database it is, as far as the spec says it: however it is written, and whoever logs in.
pub fn database(migration: &DatabaseMigration) -> String {
    let database = &migration.spec.database;
    let namespace = migration.namespace().unwrap_or_default();
    let usual = database.r#type.port();
    let said = match &database.aws {
        Some(aws) => Some((aws.host.as_str(), aws.port, aws.db_name.as_str())),
        None => database
            .host
            .as_ref()
            .zip(database.database.as_ref())
            .map(|(host, name)| (host.as_str(), database.port, name.as_str())),
    };
    // Only the Secret knows.
    let Some((host, port, name)) = said else { return way(migration) };
    let port = port.unwrap_or(usual).to_string();
    digest(&[&usual.to_string(), &in_full(host, &namespace), &port, name])
}

/// A host as it is called from everywhere in the cluster, without the endings that may be left out.
fn in_full(host: &str, namespace: &str) -> String {
    let host = host.to_ascii_lowercase();
    let host = host.trim_end_matches('.');
    let host = host.strip_suffix(".cluster.local").unwrap_or(host);
    let host = host.strip_suffix(".svc").unwrap_or(host);
    if host.contains(['.', ':']) { host.to_owned() } else { format!("{host}.{namespace}") }
}

/// The digest of how the database is reached: one that is not reached with these credentials is reached by nobody who has
/// the same.
pub fn way(migration: &DatabaseMigration) -> String {
    let database = &migration.spec.database;
    let parts = (
        (database.r#type, &database.host, database.port, &database.database),
        (&database.connection_secret, &database.connection, &database.aws),
    );
    digest(&[&serde_json::to_string(&parts).unwrap_or_default()])
}

/// A person asked for this of the change that was made.
pub fn asked(migration: &DatabaseMigration, kind: Kind) -> bool {
    let annotation = match kind {
        Kind::Apply | Kind::Container => return false,
        Kind::Finalize => ANNOTATION_FINALIZE,
        Kind::Rollback => ANNOTATION_ROLLBACK,
    };
    let plan = migration.status.as_ref().and_then(|s| s.plan_digest.as_ref());
    let asked = migration.annotations().get(annotation);
    asked.is_some_and(|asked| plan.is_some_and(|plan| plan.as_str() == asked))
}

impl Work {
    /// The name of its Job. It follows from what the work is, so making it twice makes one.
    pub fn job_name(&self, migration: &DatabaseMigration) -> String {
        let approved = self.approved.as_deref().unwrap_or_default();
        let hash = digest(&[
            &migration.uid().unwrap_or_default(),
            &migration.metadata.generation.unwrap_or(0).to_string(),
            &base(migration),
            self.kind.word(),
            approved,
            &self.before.to_string(),
        ]);
        // A Job's name becomes a label of its Pod: 63 characters at most.
        let name: String = migration.name_any().chars().take(40).collect();
        format!("{}-{}-{}", name.trim_end_matches(['-', '.']), self.kind.word(), &hash[..10])
    }
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..16])
}
