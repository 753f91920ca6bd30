//! The kind `DatabaseMigration`.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::checks::Checks;
use crate::closed::closed;
use crate::cutover::{ApprovalRule, Cutover, Throttle};
use crate::database::Database;
use crate::notifications::Notifications;
use crate::rollback::{Backup, Rollback};
use crate::runner::Runner;
use crate::source::Migration;
use crate::status::DatabaseMigrationStatus;
use crate::validation::Validation;

/// What is wanted of a database: that these migrations are applied.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "cofferdam.dev",
    version = "v1alpha1",
    kind = "DatabaseMigration",
    plural = "databasemigrations",
    namespaced,
    status = "DatabaseMigrationStatus",
    shortname = "dbm",
    category = "cofferdam",
    derive = "PartialEq",
    doc = "Migrations that are applied to one database. The operator runs them in a Job, watches over the application \
           meanwhile, and can take them back.",
    selectable = ".status.phase",
    printcolumn(name = "Database", type_ = "string", json_path = ".status.database"),
    printcolumn(name = "Current", type_ = "string", json_path = ".status.currentVersion"),
    printcolumn(name = "Desired", type_ = "string", json_path = ".status.desiredVersion"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Progress", type_ = "string", json_path = ".status.progress.summary"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Stage", type_ = "string", json_path = ".status.stage", priority = 1),
    printcolumn(name = "Strategy", type_ = "string", json_path = ".spec.migration.strategy", priority = 1),
    printcolumn(name = "Revertible-Until", type_ = "string", json_path = ".status.revertibleUntil", priority = 1),
    // A name is a label of the Job and its Pod.
    validation = Rule::new("size(self.metadata.name) <= 63")
        .message("metadata.name: at most 63 characters, because it becomes a label; choose a shorter one"),
    validation = Rule::new("!has(self.spec.migration.previous) || self.spec.migration.previous != self.metadata.name")
        .message("spec.migration.previous: names this object itself; name the migration before it, or leave it out")
        .field_path(".spec.migration.previous"),
    validation = frozen("database"),
    validation = frozen("migration"),
    validation = frozen("validation"),
    validation = frozen("checks"),
    validation = frozen("rollback"),
    validation = frozen("backup"),
    validation = frozen("runner"),
    validation = target("type"),
    validation = target("host"),
    validation = target("port"),
    validation = target("database"),
    validation = target("connection"),
    // The Secret may be another one where it does not say which database it is.
    validation = Rule::new(
        "!has(oldSelf.status) || !has(oldSelf.status.target) \
         || (!has(self.spec.database.connectionSecret) && !has(oldSelf.spec.database.connectionSecret)) \
         || (has(self.spec.database.connectionSecret) && has(oldSelf.spec.database.connectionSecret) \
             && (self.spec.database.connectionSecret == oldSelf.spec.database.connectionSecret \
                 || (has(self.spec.database.host) && has(self.spec.database.database))))",
    )
    .message(
        "spec.database.connectionSecret: a run has reached the database of this Secret (see status.target), so another \
         Secret can take its place only if host and database are given here; for another database make a new \
         DatabaseMigration",
    )
    .field_path(".spec.database.connectionSecret"),
    validation = Rule::new(
        "!has(oldSelf.status) || !has(oldSelf.status.target) \
         || (has(self.spec.database.aws) == has(oldSelf.spec.database.aws) && (!has(self.spec.database.aws) \
             || (self.spec.database.aws.host == oldSelf.spec.database.aws.host \
                 && self.spec.database.aws.dbName == oldSelf.spec.database.aws.dbName \
                 && has(self.spec.database.aws.port) == has(oldSelf.spec.database.aws.port) \
                 && (!has(self.spec.database.aws.port) \
                     || self.spec.database.aws.port == oldSelf.spec.database.aws.port))))",
    )
    .message(
        "spec.database.aws: a run has reached this database (see status.target), so host, port and dbName stay; for \
         another database make a new DatabaseMigration",
    )
    .field_path(".spec.database.aws"),
)]
pub struct DatabaseMigrationSpec {
    /// The database that is changed, and how it is reached. It cannot be changed while a run is active, and which
    /// database it is not any more once a run has reached it; credentials can.
    pub database: Database,
    /// What is carried out, and from where it comes. It cannot be changed while a run is active.
    pub migration: Migration,
    /// What the database must fulfil before, while and after it is changed. It cannot be changed while a run is
    /// active.
    #[serde(default, skip_serializing_if = "is_default")]
    pub validation: Validation,
    /// What the application around the database must fulfil before and after. It cannot be changed while a run is
    /// active.
    #[serde(default, skip_serializing_if = "is_default")]
    pub checks: Checks,
    /// When and how a change is taken back. It cannot be changed while a run is active.
    #[serde(default, skip_serializing_if = "Rollback::is_default")]
    pub rollback: Rollback,
    /// Where a backup goes that is made and verified before the change. It cannot be changed while a run is active.
    /// Default: no backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// Whether a person must agree to the plan. It can be changed while a run is active.
    #[serde(default, skip_serializing_if = "ApprovalRule::is_default")]
    pub approval: ApprovalRule,
    /// When the tables of an online change are swapped. It can be changed while a run is active.
    #[serde(default, skip_serializing_if = "Cutover::is_default")]
    pub cutover: Cutover,
    /// How much of the server an online change may use. It can be changed while a run is active.
    #[serde(default, skip_serializing_if = "Throttle::is_default")]
    pub throttle: Throttle,
    /// Who is told how a run ends, and when it waits for a person. Default: nobody.
    #[serde(default, skip_serializing_if = "Notifications::is_default")]
    pub notifications: Notifications,
    /// The Job that carries a run out. It cannot be changed while a run is active.
    #[serde(default, skip_serializing_if = "Runner::is_default")]
    pub runner: Runner,
    /// A run that is active stops at the next safe point, and none is begun, until it is `false` again. It can be
    /// changed while a run is active.
    #[serde(default)]
    pub suspend: bool,
    /// What becomes of the database when this object is deleted. A run that is active stops at the next safe point in
    /// any case.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A part of the spec that stands still while a run is active. What it would mean to change it half-way is nothing
/// that anybody could say.
fn frozen(part: &str) -> kube::core::Rule {
    kube::core::Rule::new(format!(
        "!has(oldSelf.status) || !has(oldSelf.status.phase) \
         || !(oldSelf.status.phase in ['Running', 'RollingBack']) || {}",
        same("spec", part)
    ))
    .message(kube::core::Message::Message(format!(
        "spec.{part}: cannot be changed while a run is active (status.phase is Running or RollingBack); wait until it \
         ends, or change suspend, throttle, cutover or approval, which is allowed"
    )))
    .field_path(format!(".spec.{part}"))
}

/// A part of what says which database it is. Another database has another history, so it is another object.
fn target(part: &str) -> kube::core::Rule {
    kube::core::Rule::new(format!(
        "!has(oldSelf.status) || !has(oldSelf.status.target) || {}",
        same("spec.database", part)
    ))
    .message(kube::core::Message::Message(format!(
        "spec.database.{part}: a run has reached this database (see status.target), so it stays; for another database \
         make a new DatabaseMigration"
    )))
    .field_path(format!(".spec.database.{part}"))
}

/// It is as it was, or was not there and is not. Written out: the apiserver cannot estimate what comparing optional
/// values costs, and refuses the rule.
fn same(parent: &str, part: &str) -> String {
    let (new, old) = (format!("self.{parent}.{part}"), format!("oldSelf.{parent}.{part}"));
    format!("(has({new}) == has({old}) && (!has({new}) || {new} == {old}))")
}

closed! {
    /// What becomes of the database when the object is deleted.
    pub enum DeletionPolicy {
        /// Everything stays as it is: the data, the history, and what a run made.
        Retain = "Retain",
    }
    default Retain
}
