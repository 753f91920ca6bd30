//! `spec.runner`: the Job that carries a run out. Single settings, never a template of a Pod: a template would let
//! whoever may write a DatabaseMigration run anything with the rights of the runner.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::closed::closed;
use crate::reference::LocalRef;

/// The Job that carries a run out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Runner {
    /// Longest time in seconds that the Job may work, from 60 to 2592000 (30 days). Then it stops at a safe point, and
    /// the change is taken back where `spec.rollback` says so. Default: no limit. Example: `900`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub active_deadline_seconds: Option<u32>,
    /// Seconds after its end for which a Job stays, with the log of its Pod, at most 31536000 (a year). It is counted once
    /// the end is in the status and nothing can be taken back any more. Default: what the administrator of the operator
    /// set. Example: `86400`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: Option<u32>,
    /// What the Pod asks for and may use at most.
    #[serde(default, skip_serializing_if = "Resources::is_default")]
    pub resources: Resources,
    /// Secrets in the same namespace with the credentials of container registries, at most 8. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub image_pull_secrets: Vec<LocalRef>,
    /// Labels that a node must have, at most 16. Default: none. Example: `{kubernetes.io/arch: amd64}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub node_selector: BTreeMap<String, LabelValue>,
    /// Taints of nodes that do not matter, at most 16. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub tolerations: Vec<Toleration>,
}

impl Runner {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The value of a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LabelValue(#[schemars(length(max = 63))] pub String);

/// What a Pod asks for and may use at most.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What the Pod asks for. Default: what the administrator of the operator set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Amounts>,
    /// What the Pod may use at most. Default: what the administrator of the operator set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Amounts>,
}

impl Resources {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Amounts of what a node has.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Amounts {
    /// Processors. Example: `500m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub cpu: Option<Quantity>,
    /// Memory. Example: `128Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub memory: Option<Quantity>,
    /// Disk of the node. Example: `1Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub ephemeral_storage: Option<Quantity>,
}

/// As Kubernetes itself bounds quantities in its own kinds: a number, or a number with a unit.
fn quantity(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "anyOf": [{ "type": "integer" }, { "type": "string" }],
        "x-kubernetes-int-or-string": true,
        "maxLength": 32,
        "pattern": r"^\+?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?[0-9]+))?$",
    })
}

/// A taint of nodes that does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// Key of the taint. Example: `dedicated`.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// Value of the taint. Default: any. Example: `databases`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<LabelValue>,
    /// Effect of the taint. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
}

closed! {
    /// The effect of a taint.
    pub enum TaintEffect {
        /// New Pods stay away.
        NoSchedule = "NoSchedule",
        /// New Pods stay away if they can.
        PreferNoSchedule = "PreferNoSchedule",
        /// Pods that are there have to go, too.
        NoExecute = "NoExecute",
    }
}
