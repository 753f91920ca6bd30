//! `status` of a DatabaseMigration: a mirror of what the journal in the database says, which can be made again from it.
//!
//! Two managers write it by server-side apply. `cofferdam-operator` owns `observedGeneration`, `phase`, `database`,
//! `jobName`, `postChecks`, `history` and the conditions Ready, Progressing, Stalled and Approved. `cofferdam-runner` owns the rest.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::closed::closed;
use crate::value::{Percent, Sha256, Span, Volume};

/// What was seen and done.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseMigrationStatus {
    /// The `metadata.generation` that the operator has seen. While it is smaller, everything else here is about an
    /// older spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where it is, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Where the run is, in detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The database in a word, as `kubectl get` shows it. Example: `userdb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub database: Option<String>,
    /// The database that a run has reached. It is written once and never removed; from then on `spec.database` cannot
    /// name another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// When the run began, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the run ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Id of the run: in every log line, event, and in the journal. Example: `0198c5b2-7a00-7c3e-9d51-6f0f4bd3c1aa`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub run_id: Option<String>,
    /// Name of the Job that carries the run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub job_name: Option<String>,
    /// The newest version that the database has. Example: `1.4.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub current_version: Option<String>,
    /// The version that it is to have. Example: `1.5.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub desired_version: Option<String>,
    /// Digest of the plan: what a MigrationApproval agrees to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<Sha256>,
    /// Digest of the source as it was read: that of the image, or of all scripts together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_digest: Option<Sha256>,
    /// What is so and what is not, by type: Ready, Progressing, Stalled, Planned, LintPassed, Approved, BackedUp,
    /// Verified, Reversible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// How far the run is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The shadow table of the change that is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow_table: Option<ShadowTable>,
    /// What the run used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// The backup that was made before the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_info: Option<BackupInfo>,
    /// Until when the change can be taken back with all that was written since, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revertible_until: Option<Time>,
    /// What the metrics of `spec.checks.post` say of the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_checks: Option<Bake>,
    /// The last ten runs that ended, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["runId"]))]
    pub history: Vec<PastRun>,
}

/// How many runs `history` keeps.
pub const HISTORY: usize = 10;

/// The database that a run has reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// What tells this server and database from every other one, as the server says it: on PostgreSQL the system
    /// identifier and the database. Example: `7301994728113652789/userdb`.
    #[schemars(length(max = 256))]
    pub identity: String,
    /// The address that it was reached under. Example: `postgres.production.svc.cluster.local:5432`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub address: Option<String>,
    /// What the server calls itself. Example: `PostgreSQL 15.18`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub server: Option<String>,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// How many steps the plan has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_steps: Option<u32>,
    /// How many of them are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_steps: Option<u32>,
    /// The step that is being done. Example: `data-migration`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub current_step: Option<String>,
    /// How far the run is, from 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<u8>,
    /// When the run is likely to end, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<Time>,
    /// What the run goes slower for. Example: `standby replica-1 is 80 MB behind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub throttled_by: Option<String>,
    /// Who holds the lock that the run needs. Example: `pid 4711 (app, reporting) since 12:03:11`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub blocked_by: Option<String>,
    /// All of it in a few words, as `kubectl get` shows it. Example: `62% 4m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub summary: Option<String>,
}

/// The shadow table of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShadowTable {
    /// Its name, with its schema. Example: `cofferdam.users_shadow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub name: Option<String>,
    /// How it stands to the table that it will take the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_status: Option<SyncStatus>,
    /// How many rows were copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_processed: Option<u64>,
    /// How many rows there are, as the server estimates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_rows: Option<u64>,
}

/// What a run used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// How long the run has taken so far. Example: `15m30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    /// How busy the server's processors were at the last look. Example: `45%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_usage: Option<Percent>,
    /// How much of the server's memory was in use at the last look. Example: `60%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_usage: Option<Percent>,
    /// How much disk the change took so far. Example: `15GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_usage: Option<Volume>,
}

/// The backup that was made before a change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupInfo {
    /// Where it is. Example: `s3://backups/userdb-20250628T100000Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub location: Option<String>,
    /// How large it is. Example: `2.5GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Volume>,
    /// It was read back and its checksums were right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}

/// What the metrics of `spec.checks.post` say of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bake {
    /// The Job that made the change.
    #[schemars(length(max = 253))]
    pub job_name: String,
    /// What came of it.
    pub result: BakeResult,
    /// Why the change does not stay, or why nobody knows, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// Each metric, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub metrics: Vec<BakedMetric>,
}

/// A metric that is watched after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BakedMetric {
    /// Its name in `spec.checks.post.metrics`.
    #[schemars(length(max = 63))]
    pub name: String,
    /// What was read at the last look that could be read. Example: `0.04`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub value: Option<String>,
    /// When it was last looked at, RFC 3339; at first when the watch began.
    pub looked_at: Time,
    /// For how many seconds it was seen to lie within its limit. Times in which nobody looked do not count.
    pub watched_seconds: u32,
    /// Since when it cannot be read, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_since: Option<Time>,
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastRun {
    /// Id of the run.
    #[schemars(length(max = 64))]
    pub run_id: String,
    /// The `metadata.generation` that it was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// How it ended.
    pub result: RunResult,
    /// The reason of the condition Ready at its end. Example: `MigrationComplete`.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// When it began, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// The newest version before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub from_version: Option<String>,
    /// The newest version after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub to_version: Option<String>,
    /// Digest of its plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<Sha256>,
    /// Digest of its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_digest: Option<Sha256>,
}

closed! {
    /// Where a migration is, in a word.
    pub enum Phase {
        /// No run has begun for this spec: something is waited for, or refused.
        Pending = "Pending",
        /// A run is active.
        Running = "Running",
        /// The change is there.
        Succeeded = "Succeeded",
        /// The run ended without the change, or a person must say what is so.
        Failed = "Failed",
        /// The change is being taken back.
        RollingBack = "RollingBack",
        /// The change was taken back and nothing of it is left.
        RolledBack = "RolledBack",
    }
}

closed! {
    /// Where a run is: the phases of the journal.
    pub enum Stage {
        /// Asked for; there is no plan yet.
        Requested = "Requested",
        /// Planned; waits for checks and approval.
        Planned = "Planned",
        /// Adds what the change needs.
        Expanding = "Expanding",
        /// Copies and keeps in sync.
        Copying = "Copying",
        /// Compares both sides.
        Verifying = "Verifying",
        /// Waits for the cutover.
        Ready = "Ready",
        /// Swaps.
        CuttingOver = "CuttingOver",
        /// Watches the application after the swap; everything can still be taken back.
        Watching = "Watching",
        /// Removes what is not needed any more; there is no way back.
        Contracting = "Contracting",
        /// Takes back what was done.
        RollingBack = "RollingBack",
        /// Ended: the change is there.
        Done = "Done",
        /// Ended: the change was taken back.
        RolledBack = "RolledBack",
        /// Ended: it never began.
        Refused = "Refused",
        /// A person must state a fact.
        Stuck = "Stuck",
    }
}

impl From<cofferdam_core::Phase> for Stage {
    fn from(phase: cofferdam_core::Phase) -> Self {
        use cofferdam_core::Phase as P;
        match phase {
            P::Requested => Stage::Requested,
            P::Planned => Stage::Planned,
            P::Expanding => Stage::Expanding,
            P::Copying => Stage::Copying,
            P::Verifying => Stage::Verifying,
            P::Ready => Stage::Ready,
            P::CuttingOver => Stage::CuttingOver,
            P::Watching => Stage::Watching,
            P::Contracting => Stage::Contracting,
            P::RollingBack => Stage::RollingBack,
            P::Done => Stage::Done,
            P::RolledBack => Stage::RolledBack,
            P::Refused => Stage::Refused,
            P::Stuck => Stage::Stuck,
        }
    }
}

closed! {
    /// How a shadow table stands to the table that it will take the place of.
    pub enum SyncStatus {
        /// Rows are being copied.
        Copying = "Copying",
        /// All rows are copied; what was written meanwhile is being brought over.
        CatchingUp = "CatchingUp",
        /// Both sides hold the same, and are kept so.
        InSync = "InSync",
        /// It has taken its place; the old table is kept in sync with it.
        Swapped = "Swapped",
        /// The comparison found rows that differ.
        Diverged = "Diverged",
    }
}

closed! {
    /// How a run ended.
    pub enum RunResult {
        /// The change is there.
        Succeeded = "Succeeded",
        /// It failed, and nothing or not everything was taken back.
        Failed = "Failed",
        /// It was taken back and nothing of it is left.
        RolledBack = "RolledBack",
    }
}

closed! {
    /// What the metrics of `spec.checks.post` say of a change.
    pub enum BakeResult {
        /// They are being watched.
        Baking = "Baking",
        /// All lay within their limits for as long as was asked.
        Passed = "Passed",
        /// One did not.
        Failed = "Failed",
        /// One could not be read for too long, so nobody knows.
        Unread = "Unread",
    }
}

/// The schema of conditions as Kubernetes has it, with the bounds that its own kinds have. Type and reason have a form
/// and no list of words: an operator that is newer than the schema must be able to report.
pub(crate) fn conditions_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "description": "What is judged. Example: `Ready`.",
                    "type": "string",
                    "maxLength": 64,
                    "pattern": "^[A-Z][A-Za-z]*$",
                },
                "status": {
                    "description": "Whether it is so: `True`, `False` or `Unknown`.",
                    "type": "string",
                    "maxLength": 7,
                    "pattern": "^(True|False|Unknown)$",
                },
                "observedGeneration": {
                    "description": "The `metadata.generation` that it was judged for.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                },
                "lastTransitionTime": {
                    "description": "When `status` last changed, RFC 3339.",
                    "type": "string",
                    "format": "date-time",
                },
                "reason": {
                    "description": "Why, in a word of the reference. Example: `MigrationInProgress`.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 64,
                    "pattern": "^[A-Z][A-Za-z]*$",
                },
                "message": {
                    "description": "Why, for people. Where a person is needed it ends with the next command.",
                    "type": "string",
                    "maxLength": 32768,
                },
            },
        },
    })
}
