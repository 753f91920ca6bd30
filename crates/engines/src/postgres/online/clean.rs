//! Removing what a change made: all of it when it is given up, the old table when it is finished.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use cofferdam_core::fault::Result;
use cofferdam_core::online::{Online, Part};
use cofferdam_core::{Code, Fault, Name, QuotedIdent, Refusal};

use super::flow::literal;
use super::{capture, guard, logical, state, worker};
use crate::postgres::{errors, watch};

/// Ends the capture: the table is as it was before. Waits for the lock only for a moment.
pub(super) async fn release(client: &Client, change: &Online) -> Result<()> {
    let Some(stored) = state::read(client, change).await? else { return Ok(()) };
    // After a swap back: what a constraint that was valid before says, is proved again.
    for sql in &stored.print.settle_back {
        alone(client, sql, "validating constraints").await?;
    }
    logical::end(client, change).await?;
    old_snapshots_end(client).await?;
    guard::end(client, change).await?;
    let table = change.table.to_sql()?;
    let text = format!(
        "BEGIN; SET LOCAL search_path = ''; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = '200ms'; {};
         UPDATE cofferdam.online SET stage = '{}' WHERE id = {}; COMMIT",
        capture::end(&table)?.join("; "),
        Part::Create.word(),
        literal(&change.id())?
    );
    in_transaction(client, &text, "ending the capture").await?;
    worker::crash_at("online.release.released")
}

/// How long one try waits for snapshots from before a swap.
const OLD_SNAPSHOTS: Duration = Duration::from_secs(10);

/// Waits until no transaction is left that may have a snapshot from before the swap, or the swap back: for as long as
/// there is one, the [`guard`] must refuse its writes. One that stays is named, and the guard stays with it.
async fn old_snapshots_end(client: &Client) -> Result<()> {
    let doing = "looking for old snapshots";
    if !guard::is_there(client).await? {
        return Ok(());
    }
    let now = "SELECT pg_catalog.txid_current() % 4294967296, pg_catalog.clock_timestamp()";
    let now = worker::rows(&worker::run(client, now, doing).await?).into_iter().next().unwrap_or_default();
    let cell = |n: usize| now.get(n).cloned().flatten().unwrap_or_default();
    // A transaction that began since has a newer snapshot, even if an older one's number keeps its horizon back.
    let query = format!(
        "SELECT {} FROM pg_catalog.pg_stat_activity a WHERE a.datname = pg_catalog.current_database()
         AND a.backend_xmin IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()
         AND pg_catalog.age(a.backend_xmin) >= pg_catalog.age('{}'::xid)
         AND (a.xact_start IS NULL OR a.xact_start <= {}::timestamptz)",
        watch::HOLDER_COLUMNS,
        cell(0),
        literal(&cell(1))?
    );
    let began = Instant::now();
    loop {
        let rows = client.query_typed(&query, &[]).await.map_err(|e| errors::fault(e, doing))?;
        let old: Vec<_> = rows.iter().map(watch::holder_of).collect();
        if old.is_empty() {
            return Ok(());
        }
        if began.elapsed() > OLD_SNAPSHOTS {
            let refusal =
                Refusal::new(Code::LockNotObtained, "transactions from before the swap are still open")
                    .cause("what they write would pass over rows, were it no longer refused")
                    .help("end them, or wait, and run the same command again");
            let why = old.iter().fold(refusal, |refusal, holder| refusal.note(format!("open: {holder}")));
            return Err(Fault::Again { after: Duration::from_secs(1), why: Box::new(why) });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Removes the shadow table and everything else of the change.
pub(super) async fn discard(client: &Client, change: &Online) -> Result<()> {
    remove(client, change, &change.shadow()).await
}

/// Removes the old table, and the capture that kept it current.
pub(super) async fn finish(client: &Client, change: &Online) -> Result<()> {
    logical::end(client, change).await?;
    old_snapshots_end(client).await?;
    guard::end(client, change).await?;
    let table = change.table.to_sql()?;
    let text = format!(
        "BEGIN; SET LOCAL search_path = ''; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = '200ms'; {}; COMMIT",
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
        "BEGIN; SET LOCAL search_path = ''; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = '3s'; DROP TABLE IF EXISTS {}",
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
        "BEGIN; SET LOCAL search_path = ''; SET LOCAL client_min_messages = warning; SET LOCAL lock_timeout = '500ms'; {sql}; COMMIT"
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
