//! What has been applied to a database, as far as its history tells.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bundle::{Checksum, MigrationKind, Script};

/// One applied migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Order of applying, from 1.
    pub rank: i64,
    /// `Migration::key` at the time.
    pub key: String,
    /// The version as written, `None` of a repeatable one.
    pub version: Option<String>,
    /// From the file's name.
    pub description: String,
    /// How it came here.
    pub kind: AppliedKind,
    /// The checksum of the script; `None` for a baseline that no script made.
    pub checksum: Option<Checksum>,
    /// When, RFC 3339 in UTC. Empty where the history is of a tool that does not keep it.
    pub at: String,
    /// Who. Empty where the history is of a tool that does not keep it.
    pub by: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// The run.
    pub run: Option<Uuid>,
    /// What is needed to take it back without the directory that it came from.
    pub bundle: RollbackBundle,
    /// When it was taken back, if it was; such rows are kept and count as not applied.
    pub undone_at: Option<String>,
}

/// How a row came into the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppliedKind {
    /// A versioned migration was applied.
    Versioned,
    /// A repeatable migration was applied.
    Repeatable,
    /// Everything up to this version is there: `baseline` declared it, or, with a checksum, a script made it.
    Baseline,
}

impl From<MigrationKind> for AppliedKind {
    fn from(kind: MigrationKind) -> Self {
        match kind {
            MigrationKind::Versioned | MigrationKind::Checkpoint => AppliedKind::Versioned,
            MigrationKind::Repeatable => AppliedKind::Repeatable,
            MigrationKind::Baseline => AppliedKind::Baseline,
        }
    }
}

/// Stored with each applied version, so that an older release can take back a newer one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RollbackBundle {
    /// The author's way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<Script>,
    /// The derived way back, last step first. Used where there is no `down`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived: Vec<crate::plan::Unit>,
    /// Why no way back could be derived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_way_back: Option<String>,
    /// The author's check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Script>,
    /// The tool in whose history it was recorded, too: `goose`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_in: Option<String>,
}

impl Applied {
    /// It is a baseline that a script made ([`MigrationKind::Baseline`]), and not one that was declared.
    pub fn is_scripted_baseline(&self) -> bool {
        self.kind == AppliedKind::Baseline && self.checksum.is_some()
    }

    /// It is in force: applied and not taken back.
    pub fn in_force(&self) -> bool {
        self.undone_at.is_none()
    }
}

/// What a tool's history says was begun and did not end well. It stands beside what is applied and never in it, so
/// that nobody takes it for applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// `Migration::key`, where the history tells.
    pub key: String,
    /// From the history, or from the directory. May be empty.
    pub description: String,
    /// What the history says of it.
    pub how: How,
    /// When, RFC 3339 in UTC. Empty where the tool does not keep it.
    pub at: String,
    /// Who. Empty where the tool does not keep it.
    pub by: String,
}

/// How something was left unfinished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub enum How {
    /// The tool recorded that it failed. What it did before that may be there.
    Failed,
    /// The tool was at it, upwards to this version or downwards to it, and did not say that it ended. Whether
    /// anything of it is there is not known, and often nothing is.
    Dirty,
    /// So many of its statements are committed.
    Partial {
        /// The number of statements that are there, from the first.
        applied: u64,
        /// How many it has.
        total: u64,
        /// What the server said of the next one.
        error: String,
        /// The statement that failed.
        statement: String,
        /// What the tool knows the applied statements by: running SHA-256 in base64, one for each.
        hashes: Vec<String>,
    },
}
