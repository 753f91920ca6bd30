//! How far those who are told by notifications were told.
//!
//! The events are rows of the journal; what is kept beside it is a mark for each place that they go to. A mark is
//! moved after the delivery, so a process that dies in between leaves an event that is delivered again, with the
//! same id.

use serde::Serialize;

/// The mark of one place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// What it is called: `slack`, and for a DatabaseMigration with its name behind it.
    pub sink: String,
    /// The last row of the journal that needs no more telling.
    pub sent: i64,
    /// How often the next one was tried in vain.
    pub attempts: u32,
    /// Why the last try was in vain.
    pub error: Option<String>,
    /// When that was, RFC 3339 in UTC.
    pub failed_at: Option<String>,
    /// When something was last delivered, RFC 3339 in UTC.
    pub sent_at: Option<String>,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The event of this row was taken.
    Delivered(i64),
    /// Up to this row there is nothing to tell.
    Passed(i64),
    /// It was not taken, and why: one line without secrets.
    Failed(String),
}
