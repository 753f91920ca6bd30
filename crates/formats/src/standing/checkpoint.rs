//! Where a database begins that has nothing applied: at the last checkpoint, which holds all before it.

use cofferdam_core::bundle::Version;
use cofferdam_core::{Bundle, Migration, MigrationKind};

/// What a checkpoint leaves out.
pub(super) struct Start<'b> {
    /// What stands below this one is in it.
    checkpoint: Option<&'b Version>,
}

/// Looks for the checkpoint at which the database began or begins. On one that has something applied, a checkpoint
/// that is not among it is never run.
pub(super) fn start<'b>(
    bundle: &'b Bundle,
    is_empty: bool,
    target: Option<&Version>,
    in_force: impl Fn(&Migration) -> bool,
) -> Start<'b> {
    let checkpoints =
        bundle.migrations.iter().filter(|migration| migration.kind == MigrationKind::Checkpoint);
    let reached = |version: &&Version| target.is_none_or(|target| *version <= target);
    let checkpoint = checkpoints
        .filter(|migration| is_empty || in_force(migration))
        .filter_map(|migration| migration.version.as_ref())
        .filter(|version| !is_empty || reached(version))
        .max();
    Start { checkpoint }
}

impl Start<'_> {
    /// It is not run because a checkpoint holds it, or because it is a checkpoint and not the one to begin with.
    /// What is in force stays what it is.
    pub(super) fn leaves_out(&self, migration: &Migration) -> bool {
        match migration.kind {
            MigrationKind::Repeatable => false,
            MigrationKind::Versioned => {
                self.checkpoint.is_some() && migration.version.as_ref() < self.checkpoint
            }
            MigrationKind::Checkpoint => migration.version.as_ref() != self.checkpoint,
        }
    }
}
