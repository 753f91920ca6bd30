//! Removing what a change made: all of it when it is given up, the old table when it is finished.

use tokio_postgres::Client;

use cofferdam_core::fault::Result;
use cofferdam_core::online::{Online, Part};
use cofferdam_core::{Name, QuotedIdent};

use super::flow::literal;
use super::{capture, guard, logical, snapshots, state, worker};

/// Ends the capture: the table is as it was before. Waits for the lock only for a moment.
pub(super) async fn release(client: &Client, change: &Online) -> Result<()> {
    let Some(stored) = state::read(client, change).await? else { return Ok(()) };
    // After a swap back: what a constraint that was valid before says, is proved again.
    for sql in &stored.print.settle_back {
        alone(client, sql, "validating constraints").await?;
    }
    logical::end(client, change).await?;
    snapshots::from_before_the_swap(client).await?;
    guard::end(client, change).await?;
    let table = change.table.to_sql()?;
    let text = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path = ''; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = '200ms'; {};
         UPDATE cofferdam.online SET stage = '{}' WHERE id = {}; COMMIT",
        capture::end(&table)?.join("; "),
        Part::Create.word(),
        literal(&change.id())?
    );
    in_transaction(client, &text, "ending the capture").await?;
    worker::crash_at("online.release.released")
}

/// Removes the shadow table and everything else of the change.
pub(super) async fn discard(client: &Client, change: &Online) -> Result<()> {
    remove(client, change, &change.shadow()).await
}

/// Removes the old table, and the capture that kept it current.
pub(super) async fn finish(client: &Client, change: &Online) -> Result<()> {
    logical::end(client, change).await?;
    snapshots::from_before_the_swap(client).await?;
    guard::end(client, change).await?;
    let table = change.table.to_sql()?;
    let text = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path = ''; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = '200ms'; {}; COMMIT",
        capture::end(&table)?.join("; ")
    );
    in_transaction(client, &text, "ending the capture").await?;
    worker::crash_at("online.finish.released")?;
    remove(client, change, &change.old()).await
}

/// Drops the table that is given up, and then our two schemas with what we made there. What somebody else made to
/// depend on the table stops it: that is not ours. An autovacuum that is at work there gives way after a second.
async fn remove(client: &Client, change: &Online, table: &Name) -> Result<()> {
    let mut text = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path = ''; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = '3s'; DROP TABLE IF EXISTS {}",
        table.to_sql()?
    );
    for schema in [change.new_schema(), change.old_schema()] {
        text += &format!("; DROP SCHEMA IF EXISTS {} CASCADE", QuotedIdent::new(&schema)?);
    }
    if state::read(client, change).await?.is_some() {
        text += &format!(
            "; DELETE FROM cofferdam.online WHERE id = {0}; DELETE FROM cofferdam.control WHERE id = {0}",
            literal(&change.id())?
        );
    }
    in_transaction(client, &format!("{text}; COMMIT"), "removing what the change made").await?;
    worker::crash_at("online.removed")
}

/// One statement in a transaction of its own.
pub(super) async fn alone(client: &Client, sql: &str, doing: &str) -> Result<()> {
    let text = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path = ''; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = '500ms'; {sql}; COMMIT"
    );
    in_transaction(client, &text, doing).await
}

async fn in_transaction(client: &Client, text: &str, doing: &str) -> Result<()> {
    let done = worker::run(client, text, doing).await;
    if done.is_err() {
        worker::rollback(client).await;
    }
    done.map(|_| ())
}
