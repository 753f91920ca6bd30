//! The row of `cofferdam.online` that says what was done of a change; see `outside` for its columns.

use tokio_postgres::Client;

use cofferdam_core::fault::Result;
use cofferdam_core::online::{Online, Part};
use cofferdam_core::{Code, Fault, Refusal};

use super::carry::Blueprint;
use super::flow::literal;
use super::worker;
use crate::online::part_of;

/// What is stored of a change.
pub(super) struct Stored {
    pub(super) change: Online,
    pub(super) print: Blueprint,
    /// The last part that ended; `None`: none did.
    pub(super) stage: Option<Part>,
    /// Why nobody may swap.
    pub(super) poisoned: Option<String>,
}

/// Reads the row; `None`: there is none.
pub(super) async fn read(client: &Client, change: &Online) -> Result<Option<Stored>> {
    let doing = "reading the state of the change";
    let there = "SELECT pg_catalog.to_regclass('cofferdam.online') IS NOT NULL";
    if worker::value(client, there, doing).await?.as_deref() != Some("t") {
        return Ok(None);
    }
    let query = format!(
        "SELECT change, blueprint, stage, poisoned FROM cofferdam.online WHERE id = {}",
        literal(&change.id())?
    );
    let Some(row) = worker::rows(&worker::run(client, &query, doing).await?)?.into_iter().next() else {
        return Ok(None);
    };
    let cell = |n: usize| row.get(n).cloned().flatten();
    let unreadable = |e: serde_json::Error| {
        Fault::Bug(format!("the state of {} was written by another version: {e}", change.table))
    };
    Ok(Some(Stored {
        change: serde_json::from_str(&cell(0).unwrap_or_default()).map_err(unreadable)?,
        print: serde_json::from_str(&cell(1).unwrap_or_default()).map_err(unreadable)?,
        stage: cell(2).and_then(|word| part_of(&word)),
        poisoned: cell(3),
    }))
}

/// The statement that writes a new row.
pub(super) fn insert(change: &Online, print: &Blueprint, epoch: i64) -> Result<String> {
    let json = |e: serde_json::Error| Fault::Bug(format!("a change cannot be written: {e}"));
    Ok(format!(
        "INSERT INTO cofferdam.online (id, change, blueprint, stage, fence) VALUES ({}, {}, {}, 'create', {epoch});
         DELETE FROM cofferdam.control WHERE id = {}",
        literal(&change.id())?,
        literal(&serde_json::to_string(change).map_err(json)?)?,
        literal(&serde_json::to_string(print).map_err(json)?)?,
        literal(&change.id())?,
    ))
}

/// The refusal for a table that another change is at work on.
pub(super) fn in_progress(stored: &Stored) -> Refusal {
    Refusal::new(Code::ChangeInProgress, format!("{} is being changed online already", stored.change.table))
        .cause(format!("by: {}", stored.change.clauses))
        .help("cofferdam status shows it; cofferdam finalize ends its revert window, cofferdam rollback takes it back")
}
