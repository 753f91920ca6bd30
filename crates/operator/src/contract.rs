//! What the operator and the runner in its Job agree on: arguments, variables and folders.

use serde::{Deserialize, Serialize};

/// Variable: the namespace of the DatabaseMigration.
pub const NAMESPACE: &str = "COFFERDAM_NAMESPACE";
/// Variable: its name.
pub const NAME: &str = "COFFERDAM_MIGRATION";
/// Variable: its UID. One with the same name that was made later is another one.
pub const UID: &str = "COFFERDAM_UID";

/// Variable: registries that are spoken to without TLS, with commas between them.
pub const PLAIN_HTTP: &str = "COFFERDAM_PLAIN_HTTP_REGISTRIES";

/// Folder: the Secret with the credentials, a file for each key; with `connection` one file `url`.
pub const DATABASE: &str = "/cofferdam/database";
/// Folder: the script `NAME` of `spec.migration.scripts` as `NAME.sql`.
pub const SCRIPTS: &str = "/cofferdam/scripts";
/// Folder: one folder for each of `spec.migration.configMaps`, by its number from 0.
pub const DIRECTORY: &str = "/cofferdam/directory";
/// Folder: one folder for each of `spec.runner.imagePullSecrets`, by its number from 0.
pub const PULL: &str = "/cofferdam/pull";

/// What a runner is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Make the change. Where a person must agree first and has not: plan it and say its digest.
    Apply,
    /// End the revert window of what was changed.
    Finalize,
    /// Take the change back.
    Rollback,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Apply, Kind::Finalize, Kind::Rollback];

    /// The argument of `cofferdam runner --work`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Apply => "apply",
            Kind::Finalize => "finalize",
            Kind::Rollback => "rollback",
        }
    }

    /// The kind with this word.
    pub fn named(word: &str) -> Option<Kind> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}
