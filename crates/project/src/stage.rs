//! Stages: the directories that the scripts of an installation or an upgrade lie in, in the order in which they run.

use std::fmt;

/// A stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Tables and what else has a definition, in an installation.
    Schema,
    /// Rows that every installation begins with.
    Data,
    /// Indexes, built when the rows are there.
    Indexes,
    /// All of an installation of MongoDB.
    Migrations,
    /// Looking and saving, before anything changes.
    PreUpgrade,
    /// Changes of definitions.
    SchemaChanges,
    /// Changes of rows.
    DataMigration,
    /// Cleaning up and looking again.
    PostUpgrade,
}

/// Those of an installation in SQL, with the number of the first script of each.
pub(crate) const INSTALL: &[(Stage, u128)] = &[(Stage::Schema, 1), (Stage::Data, 100), (Stage::Indexes, 200)];

/// That of an installation of MongoDB.
pub(crate) const INSTALL_MONGODB: &[(Stage, u128)] = &[(Stage::Migrations, 1)];

/// Those of an upgrade. The numbers are where new scripts begin: a schema change that is the first script of its
/// upgrade may have any.
pub(crate) const UPGRADE: &[(Stage, u128)] = &[
    (Stage::PreUpgrade, 1),
    (Stage::SchemaChanges, 100),
    (Stage::DataMigration, 200),
    (Stage::PostUpgrade, 300),
];

impl Stage {
    /// The name of its directory.
    pub fn dir(self) -> &'static str {
        match self {
            Stage::Schema => "schema",
            Stage::Data => "data",
            Stage::Indexes => "indexes",
            Stage::Migrations => "migrations",
            Stage::PreUpgrade => "pre-upgrade",
            Stage::SchemaChanges => "schema-changes",
            Stage::DataMigration => "data-migration",
            Stage::PostUpgrade => "post-upgrade",
        }
    }

    /// The one of these with this directory.
    pub(crate) fn of(dir: &str, among: &[(Stage, u128)]) -> Option<Self> {
        among.iter().map(|(stage, _)| *stage).find(|stage| stage.dir() == dir)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.dir())
    }
}
