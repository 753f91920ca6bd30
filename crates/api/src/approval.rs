//! The kind `MigrationApproval`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::closed::closed;
use crate::reference::LocalRef;
use crate::status::conditions_schema;
use crate::value::Sha256;

/// A person's word about one plan.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "cofferdam.dev",
    version = "v1alpha1",
    kind = "MigrationApproval",
    plural = "migrationapprovals",
    namespaced,
    status = "MigrationApprovalStatus",
    shortname = "mapp",
    category = "cofferdam",
    derive = "PartialEq",
    doc = "A person's word about one plan of one DatabaseMigration. It is bound to the digest of the plan: a plan that \
           changes needs a new one. Who may create these objects decides who may approve.",
    printcolumn(name = "Migration", type_ = "string", json_path = ".spec.migrationRef.name"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".spec.decision"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.approvedBy"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Plan", type_ = "string", json_path = ".spec.planDigest", priority = 1),
    validation = Rule::new("self.spec == oldSelf.spec")
        .message("spec: an approval cannot be changed; delete it and create a new one")
        .field_path(".spec"),
)]
pub struct MigrationApprovalSpec {
    /// The DatabaseMigration in the same namespace.
    pub migration_ref: LocalRef,
    /// The plan: `status.planDigest` of the DatabaseMigration. An approval of another plan is no approval.
    pub plan_digest: Sha256,
    /// What was decided.
    #[serde(default)]
    pub decision: Decision,
    /// Why, for those who read it later. Default: nothing. Example: `agreed in CHG-1234`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub comment: Option<String>,
    /// Who decided. The webhook writes the name of the user who creates the object here, and refuses the name of anybody
    /// else; where the webhook is off it is not to be trusted. Example: `alice@example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub approved_by: Option<String>,
    /// When it ends: what has not begun by then needs a new one. What has begun goes on. Default: never. Example:
    /// `2026-12-01T18:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrationApprovalStatus {
    /// The `metadata.generation` that the operator has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is so and what is not, by type. Ready: it fits the plan that there is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// Id of the run that began because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub run_id: Option<String>,
    /// When that run began, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Time>,
}

closed! {
    /// What was decided about a plan.
    pub enum Decision {
        /// The plan may be carried out.
        Approve = "Approve",
        /// The plan must not be carried out; another approval of the same plan changes nothing.
        Reject = "Reject",
    }
    default Approve
}
