//! The kinds of Cofferdam in Kubernetes: their types, their schema, their conditions and their reasons.
//!
//! There is no client here, no runtime and no clock: the operator, the runner, the plugin and the chart all speak in these
//! types. A doc comment of a field is its description in `kubectl explain` and in the reference page.

#![allow(
    unreachable_pub,
    reason = "KubeSchema derives from hidden copies of the structs, which are pub as they are"
)]

pub mod approval;
pub mod checks;
pub mod closed;
pub mod conditions;
pub mod crd;
pub mod cutover;
pub mod database;
pub mod migration;
pub mod names;
pub mod notifications;
pub mod page;
pub mod reason;
pub mod reference;
pub mod rollback;
pub mod runner;
pub mod source;
pub mod status;
pub mod validation;
pub mod value;

pub use approval::{MigrationApproval, MigrationApprovalSpec, MigrationApprovalStatus};
pub use conditions::ConditionType;
pub use crd::{crds, crds_yaml};
pub use migration::{DatabaseMigration, DatabaseMigrationSpec};
pub use reason::{Reason, Standing};
pub use status::{DatabaseMigrationStatus, Phase, Stage};
