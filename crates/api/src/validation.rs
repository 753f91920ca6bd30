//! `spec.validation`: what the database must fulfil before, while and after it is changed.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::closed::closed;
use crate::value::{Percent, Span, Volume};

/// What the database must fulfil.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// What is looked at before anything is changed, each type at most once. `connection` and `permissions` are always
    /// looked at. Default: those two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub pre_checks: Vec<PreCheck>,
    /// How the data of both sides is compared before a swap. Default: all of it.
    #[serde(default, skip_serializing_if = "DataIntegrityChecks::is_default")]
    pub data_integrity_checks: DataIntegrityChecks,
    /// Limits whose breach is a reason to roll back (`performance-degradation`, and `timeout` for the time). Default:
    /// none.
    #[serde(default, skip_serializing_if = "PerformanceThresholds::is_default")]
    pub performance_thresholds: PerformanceThresholds,
}

/// One look before anything is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.threshold) || self.type == 'disk-space'")
    .message("spec.validation.preChecks: threshold goes with type disk-space only; leave it out")
    .field_path(".threshold"))]
pub struct PreCheck {
    /// What is looked at.
    pub r#type: PreCheckType,
    /// With `disk-space`: at least so much must be free. Default: what the plan is estimated to need. Example: `20GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Volume>,
}

/// How the data of both sides is compared before a swap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataIntegrityChecks {
    /// Both sides are compared.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How much of the rows is compared, in percent from 1 to 100. What is compared is compared while the application
    /// writes, and again before the swap.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 100))]
    pub sample_percentage: u8,
    /// Checksums over all columns are compared; without it only the number of rows.
    #[serde(default = "yes")]
    pub checksum_validation: bool,
}

impl Default for DataIntegrityChecks {
    fn default() -> Self {
        Self { enabled: true, sample_percentage: 100, checksum_validation: true }
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
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
    }
}
