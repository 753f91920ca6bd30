//! Where a database begins that has nothing applied: at the last checkpoint, which holds all before it, or at the last
//! baseline, which holds the migration with its own version, too.

use cofferdam_core::bundle::Version;
use cofferdam_core::history::{Applied, AppliedKind};
use cofferdam_core::{Bundle, Migration, MigrationKind, Refusal};

use super::problem;

/// What a checkpoint or baseline leaves out.
pub(super) struct Start<'b> {
    /// What stands below this one is in it.
    at: Option<&'b Migration>,
}

/// Looks for the checkpoint or baseline at which the database began or begins. On one that has something applied, one
/// that is not among it is never run.
pub(super) fn start<'b>(
    bundle: &'b Bundle,
    is_empty: bool,
    target: Option<&Version>,
    in_force: impl Fn(&Migration) -> bool,
) -> Start<'b> {
    let reached =
        |migration: &Migration| target.is_none_or(|target| migration.version.as_ref() <= Some(target));
    let at = bundle
        .migrations
        .iter()
        .filter(|migration| begins(migration))
        .filter(|migration| if is_empty { reached(migration) } else { in_force(migration) })
        .max_by(|one, other| one.version.cmp(&other.version));
    Start { at }
}

/// Why a pending migration must not be applied any more, by what the history says now: another runner made the beginning.
/// A checkpoint or baseline stands for nothing but an empty database, and what a baseline holds is there.
pub fn begun_otherwise(migration: &Migration, history: &[Applied]) -> Option<Refusal> {
    let version = migration.version.as_ref()?;
    let there = history.iter().filter(|applied| applied.in_force()).find(|applied| {
        let other = applied.version.as_deref().and_then(|text| version.like(text));
        let Some(other) = other.filter(|other| !other.is_listed()) else { return false };
        match begins(migration) {
            true => other != *version,
            false => applied.kind == AppliedKind::Baseline && *version < other,
        }
    });
    there.map(|there| problem::begun_otherwise(migration, there))
}

fn begins(migration: &Migration) -> bool {
    matches!(migration.kind, MigrationKind::Checkpoint | MigrationKind::Baseline)
}

impl Start<'_> {
    /// It is not run because a checkpoint or baseline holds it, or because it is one and not the one to begin with.
    /// What is in force stays what it is.
    pub(super) fn leaves_out(&self, migration: &Migration) -> bool {
        match (migration.kind, self.at) {
            (MigrationKind::Repeatable, _) | (MigrationKind::Versioned, None) => false,
            (MigrationKind::Versioned, Some(at)) if at.kind == MigrationKind::Baseline => {
                migration.version <= at.version
            }
            (MigrationKind::Versioned, Some(at)) => migration.version < at.version,
            (MigrationKind::Checkpoint | MigrationKind::Baseline, at) => {
                migration.version.as_ref() != at.and_then(|at| at.version.as_ref())
            }
        }
    }
}
