//! Rehearsing: what statements are seen to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use cofferdam_core::plan::Step;
use cofferdam_schema::Schema;

/// What one statement was seen to do. Only what was there before it counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deed {
    /// The strongest lock on each relation that the transaction did not hold before, by the relation's name, as
    /// PostgreSQL writes it: `ACCESS EXCLUSIVE`.
    pub locks: Vec<(String, String)>,
    /// Locks that earlier statements of the same transaction left, by the relation's name.
    pub held: Vec<(String, String)>,
    /// The locks were seen. A statement outside of a transaction gives them back before its answer comes, and may be
    /// too quick to be looked at.
    pub locks_seen: bool,
    /// Tables and indexes whose rows are in other files than before.
    pub rewritten: Vec<String>,
    /// Rows that were read one after the other, by table.
    pub read: Vec<(String, u64)>,
    /// Bytes of write-ahead log. `None`: others write to the server, too, or it cannot be told.
    pub wal_bytes: Option<u64>,
}

/// One round of a rehearsal in a transaction: what each of its steps did, and the schema after it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Round {
    /// In the order of the steps: what was seen, and for how many milliseconds it ran.
    pub deeds: Vec<(Deed, u64)>,
    /// The schema after the last of them.
    pub schema: Schema,
}

/// What [`crate::Session::try_out`] is asked for.
#[derive(Debug, Clone)]
pub struct Trial<'a> {
    /// The rounds, each with its steps.
    pub rounds: Vec<Vec<&'a Step>>,
    /// How long each statement may run.
    pub statement: Duration,
    /// How long each statement waits for a lock.
    pub lock: Duration,
}
