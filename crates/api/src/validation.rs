//! `spec.validation`: what the database must fulfil before, while and after it is changed.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::closed::closed;
use crate::value::{Decimal, Percent, ScriptName, Span, Volume};

/// What the database must fulfil.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.preChecks) || self.preChecks.all(c, self.preChecks.filter(d, d.type == c.type \
    && (has(d.name) ? d.name : '') == (has(c.name) ? c.name : '')).size() == 1)")
    .message("spec.validation.preChecks: a type stands there twice; leave one out, or give each custom a name of its own")
    .field_path(".preChecks"))]
pub struct Validation {
    /// What is looked at before anything is changed, each type at most once, and `custom` once for each name. `connection`
    /// and `permissions` are always looked at. Default: those two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub pre_checks: Vec<PreCheck>,
    /// How the data of both sides is compared before a swap. Default: all of it.
    #[serde(default, skip_serializing_if = "DataIntegrityChecks::is_default")]
    pub data_integrity_checks: DataIntegrityChecks,
    /// Limits whose breach is a reason to roll back (`performance-degradation`, and `timeout` for the time). Default:
    /// none.
    #[serde(default, skip_serializing_if = "PerformanceThresholds::is_default")]
    pub performance_thresholds: PerformanceThresholds,
    /// How long the application is watched after the swap of an online change before the run ends: all limits, and the
    /// queries of validation scripts over and over again. Default: not at all. Example: `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<Span>,
    /// How lint judges the scripts.
    #[serde(default, skip_serializing_if = "Lint::is_default")]
    pub lint: Lint,
}

/// How lint judges the scripts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lint {
    /// How bad the findings of a rule are, by its name or code, as `lint.rules` of a cofferdam.yaml has it. At most 64.
    /// Default: as each rule has it. Example: `{drop-table: error, type-advice: "off"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub rules: BTreeMap<String, LintLevel>,
}

impl Lint {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

closed! {
    /// How bad the findings of a rule are.
    pub enum LintLevel {
        /// They are left out.
        Off = "off",
        /// At most good to know.
        Info = "info",
        /// At most a warning, which stops nothing.
        Warning = "warning",
        /// Each is an error: nothing is changed.
        Error = "error",
    }
}

/// One look before anything is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.threshold) || self.type == 'disk-space'")
    .message("spec.validation.preChecks: threshold goes with type disk-space only; leave it out")
    .field_path(".threshold"))]
#[x_kube(validation = Rule::new("!has(self.limit) || self.type in ['replication', 'long-transactions']")
    .message("spec.validation.preChecks: limit goes with types replication and long-transactions only; leave it out")
    .field_path(".limit"))]
#[x_kube(validation = Rule::new("has(self.sql) == (self.type == 'custom')")
    .message("spec.validation.preChecks: sql goes with type custom, which needs it, and with no other"))]
#[x_kube(validation = Rule::new("!has(self.name) || self.type == 'custom'")
    .message("spec.validation.preChecks: name goes with type custom only; leave it out")
    .field_path(".name"))]
pub struct PreCheck {
    /// What is looked at.
    pub r#type: PreCheckType,
    /// With `custom`: tells several apart. Default: it has none. Example: `no-vacuum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,
    /// With `disk-space`: at least so much must be free. Default: what the plan is estimated to need. Example: `20GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Volume>,
    /// With `replication`: a standby may be at most so far behind. With `long-transactions`: a transaction may have been
    /// open for so long at most. Default: 30s, and 5m. Example: `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Span>,
    /// With `custom`: one query that returns one row with one value, true. It can write nothing. Example: `SELECT
    /// count(*) = 0 FROM jobs WHERE state = 'running'`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub sql: Option<String>,
    /// Why it may pass where its answer cannot be read: without a reason that is no pass. Default: it is not allowed.
    /// Example: `300 GB are free, seen on the server`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub allow_unread: Option<String>,
}

/// How the data of both sides is compared before a swap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.enabled || has(self.reason)")
    .message("spec.validation.dataIntegrityChecks: without a comparison a swap proves nothing; write into reason why it is \
              not wanted, or leave enabled out")
    .field_path(".enabled"))]
pub struct DataIntegrityChecks {
    /// Both sides are compared. `false` needs a `reason`.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// With `enabled: false`: why nothing is compared before a swap. It is kept with the run. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub reason: Option<String>,
    /// How much of the rows has its values compared, in percent from 1 to 100. Which rows these are follows from a hash
    /// of their keys, so that both sides take the same; the number of all rows is compared in any case.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 100))]
    pub sample_percentage: u8,
    /// Checksums over all columns are compared; without it only the number of rows.
    #[serde(default = "yes")]
    pub checksum_validation: bool,
}

impl Default for DataIntegrityChecks {
    fn default() -> Self {
        Self { enabled: true, reason: None, sample_percentage: 100, checksum_validation: true }
    }
}

impl DataIntegrityChecks {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn yes() -> bool {
    true
}

fn hundred() -> u8 {
    100
}

/// Limits whose breach is a reason to roll back.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.serverPods) || has(self.maxCpuUsage) || has(self.maxMemoryUsage)")
    .message("spec.validation.performanceThresholds: serverPods goes with maxCpuUsage and maxMemoryUsage; leave it out, or \
              give one of them")
    .field_path(".serverPods"))]
pub struct PerformanceThresholds {
    /// Longest time from the first step to the swap. Default: no limit. Example: `30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_migration_time: Option<Span>,
    /// Longest time at a stretch for which statements of the application may have to wait. `0s` allows no step that
    /// blocks longer than the lock timeout of half a second; the swap of an online change, which is shorter, is
    /// allowed. Default: 2s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downtime: Option<Span>,
    /// Most of the server's processors that may be busy, as a mean over a minute. It needs a metrics source. Default:
    /// no limit. Example: `80%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cpu_usage: Option<Percent>,
    /// Most of the server's memory that may be in use, as a mean over a minute. It needs a metrics source. Default: no
    /// limit. Example: `70%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory_usage: Option<Percent>,
    /// The Pods that the database server runs in, where it runs in this cluster: `maxCpuUsage` and `maxMemoryUsage` are
    /// then read from the metrics API (`metrics.k8s.io`), as shares of the limits of their containers. Runners need the
    /// right to read both, which `runner.podMetrics` of the chart gives them. Default: Prometheus, or the server itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_pods: Option<ServerPods>,
    /// How many times as long as before the application's statements about the tables may take, as a mean over ten
    /// seconds. It needs the extension pg_stat_statements, on MySQL and MariaDB performance_schema. Default: no limit.
    /// Example: `3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_slowdown: Option<Decimal>,
    /// How far the standby that is farthest behind may be behind. Default: no limit. Example: `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_replication_lag: Option<Span>,
}

/// The Pods that a database server runs in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerPods {
    /// Which Pods of the same namespace. Of several the highest share counts. Example: `{matchLabels: {app: postgres}}`.
    #[schemars(schema_with = "crate::checks::selector")]
    pub selector: LabelSelector,
    /// The container in which the server runs. It needs a limit for what is asked about. Default: the first one of the
    /// Pod. Example: `postgres`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<ScriptName>,
}

impl PerformanceThresholds {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

closed! {
    /// What is looked at before anything is changed.
    pub enum PreCheckType {
        /// The server answers, takes writes, and is not behind a pooler in transaction mode.
        Connection = "connection",
        /// The role may do all that the plan needs.
        Permissions = "permissions",
        /// There is room for copies, indexes and the log.
        DiskSpace = "disk-space",
        /// Standbys stream and keep up, and no slot holds the log back.
        Replication = "replication",
        /// No transaction in the database has been open for long.
        LongTransactions = "long-transactions",
        /// No connection pooler in transaction mode stands in between.
        Pooler = "pooler",
        /// A query of your own returns true.
        Custom = "custom",
    }
}
