//! Names that the operator, the runner, the chart and the plugin share.

/// The API group of all kinds.
pub const GROUP: &str = "cofferdam.dev";
/// The version of the kinds.
pub const VERSION: &str = "v1alpha1";
/// `apiVersion` of the kinds.
pub const API_VERSION: &str = "cofferdam.dev/v1alpha1";
/// The category: `kubectl get cofferdam` shows all kinds.
pub const CATEGORY: &str = "cofferdam";

/// The field manager of what the operator writes.
pub const OPERATOR: &str = "cofferdam-operator";
/// The field manager of what the runner writes.
pub const RUNNER: &str = "cofferdam-runner";
/// The field manager of what the plugin of kubectl writes.
pub const PLUGIN: &str = "kubectl-cofferdam";

/// Label of Jobs and Pods: the name of their DatabaseMigration.
pub const LABEL_MIGRATION: &str = "cofferdam.dev/migration";
/// Label of Jobs and Pods: the `metadata.generation` that they are for.
pub const LABEL_GENERATION: &str = "cofferdam.dev/generation";
/// Annotation of a DatabaseMigration: take back the change whose plan has this digest (`status.planDigest`). It is no
/// part of the spec, so it can be set while a run is active, and set twice it is done once.
pub const ANNOTATION_ROLLBACK: &str = "cofferdam.dev/rollback";
/// Annotation of a DatabaseMigration: end the revert window of the change whose plan has this digest.
pub const ANNOTATION_FINALIZE: &str = "cofferdam.dev/finalize";
/// Annotation of a DatabaseMigration: try what failed again. Any value; another one asks again.
pub const ANNOTATION_RETRY: &str = "cofferdam.dev/retry";

#[cfg(test)]
mod tests {
    use kube::Resource;

    use super::*;
    use crate::{DatabaseMigration, MigrationApproval};

    #[test]
    fn the_kinds_have_these_names() {
        for (group, version, api_version) in [
            (
                DatabaseMigration::group(&()),
                DatabaseMigration::version(&()),
                DatabaseMigration::api_version(&()),
            ),
            (
                MigrationApproval::group(&()),
                MigrationApproval::version(&()),
                MigrationApproval::api_version(&()),
            ),
        ] {
            assert_eq!(
                (group.as_ref(), version.as_ref(), api_version.as_ref()),
                (GROUP, VERSION, API_VERSION)
            );
        }
    }
}
