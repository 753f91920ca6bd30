//! What may be set while a run is active: `spec.cutover`, `spec.throttle`, `spec.approval`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::closed::closed;
use crate::value::Window;

/// When the tables are swapped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.mode == 'window') == has(self.window)")
    .message("spec.cutover.window: goes with mode window, and mode window needs it; write for example 22:00-04:00")
    .field_path(".window"))]
#[x_kube(validation = Rule::new("!has(self.window) || self.window.substring(0, 5) != self.window.substring(6, 11)")
    .message("spec.cutover.window: ends where it begins; write for example 22:00-04:00")
    .field_path(".window"))]
pub struct Cutover {
    /// When the tables are swapped. Setting it to `auto` lets a run that waits go on.
    #[serde(default)]
    pub mode: CutoverMode,
    /// The part of each day in UTC in which the tables may be swapped, with mode `window`. Example: `22:00-04:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

impl Cutover {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How much of the server an online change may use. It goes slower by itself where replicas, locks, disk or the
/// application ask for it; this is a limit beside that.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Throttle {
    /// At most so many connections work side by side, from 0 to 64. 0 means as many as the server has processors to
    /// spare, at most 4; on MySQL and MariaDB 2. There, never more than 16 do.
    #[serde(default)]
    #[schemars(range(min = 0, max = 64))]
    pub workers: u32,
}

impl Throttle {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a person must agree to the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRule {
    /// The run waits until a MigrationApproval with the digest of its plan is there.
    #[serde(default)]
    pub required: bool,
    /// With `required`: two persons must agree. Their names are those that the webhook writes into `approvedBy`; where it
    /// is off, nobody has a name, and nothing begins.
    #[serde(default)]
    pub two_persons: bool,
}

impl ApprovalRule {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

closed! {
    /// When the tables are swapped.
    pub enum CutoverMode {
        /// As soon as both sides are known to be the same.
        Auto = "auto",
        /// When a person says so; until then both sides are kept the same.
        Manual = "manual",
        /// In a part of the day.
        Window = "window",
    }
    default Auto
}
