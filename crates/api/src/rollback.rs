//! `spec.rollback` and `spec.backup`: how a change is taken back, and what is kept for it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::closed::closed;
use crate::reference::SecretKeyRef;
use crate::value::{AgeRecipient, BackupUrl, ObjectName, Span};

/// How a change is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// It is taken back without asking when one of the conditions is met. With `false` the run stops and waits for a
    /// person.
    #[serde(default = "yes")]
    pub automatic: bool,
    /// What it is taken back for, with `automatic`.
    #[serde(default = "all_triggers")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub conditions: Vec<RollbackTrigger>,
    /// How it is taken back.
    #[serde(default)]
    pub strategy: RollbackStrategy,
    /// What was saved before the change is kept after it was taken back.
    #[serde(default = "yes")]
    pub preserve_backup: bool,
    /// Time after the swap in which the change can be taken back with all that was written since. Then the old side is
    /// removed. `0s` removes it at once.
    #[serde(default = "day")]
    pub window: Span,
}

impl Default for Rollback {
    fn default() -> Self {
        Self {
            automatic: true,
            conditions: all_triggers(),
            strategy: RollbackStrategy::default(),
            preserve_backup: true,
            window: day(),
        }
    }
}

impl Rollback {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

fn yes() -> bool {
    true
}

fn day() -> Span {
    Span::from("24h")
}

fn all_triggers() -> Vec<RollbackTrigger> {
    RollbackTrigger::ALL.to_vec()
}

/// Where a backup goes that is made before the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.identitySecretRef) || (has(self.restoreOnRollback) && self.restoreOnRollback)")
    .message("spec.backup.identitySecretRef: opens the backup for a rollback that restores, and none does; set restoreOnRollback to true")
    .field_path(".identitySecretRef"))]
pub struct Backup {
    /// The bucket and a prefix: `s3://`, `gs://` or `az://`. Example: `s3://backups/`.
    pub to: BackupUrl,
    /// A public key of age that the backup is encrypted to. Its private key is needed by nobody but who restores.
    /// Default: not encrypted beyond what the bucket does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypt_to: Option<AgeRecipient>,
    /// Name of the Secret in the same namespace with the credentials of the bucket, under the names of their usual
    /// variables (`AWS_ACCESS_KEY_ID` and so on). Default: those that the runner's Pod has from its service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret: Option<ObjectName>,
    /// Taking the change back restores the tables that it dropped and that nothing else brings back, from this backup.
    /// Whoever sets it agrees to what a backup does not have: what was written after it was taken, and of each table
    /// all but rows, columns and the primary key. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restore_on_rollback: bool,
    /// The private key of age that opens the backup, where it is encrypted. It is mounted only where the change is taken
    /// back. Default: none, and an encrypted backup is not restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_secret_ref: Option<SecretKeyRef>,
}

closed! {
    /// What a change is taken back for.
    pub enum RollbackTrigger {
        /// The comparison found rows that differ.
        DataCorruption = "data-corruption",
        /// A limit of `spec.validation.performanceThresholds` or a metric of `spec.checks.post` was breached.
        PerformanceDegradation = "performance-degradation",
        /// `maxMigrationTime` or `activeDeadlineSeconds` is over.
        Timeout = "timeout",
        /// A check after the swap does not hold: a query of a validation script returned a row.
        CheckFailed = "check-failed",
    }
}

closed! {
    /// How a change is taken back.
    pub enum RollbackStrategy {
        /// At once.
        Immediate = "immediate",
        /// At the next moment that the cutover setting allows: a window, or a person's word.
        Graceful = "graceful",
    }
    default Immediate
}
