//! Keys of changed rows from the server's write-ahead log, by a logical slot, for tables whose writers should not pay
//! for triggers.
//!
//! What the slot delivers is reduced to keys, and the keys go into the same log that triggers would write: everything
//! behind it is one and the same. Two things are different, and both are dealt with here:
//!
//! - A change can be decoded a moment before it is visible: the commit is in the write-ahead log before the server
//!   lets others see it. Keys are logged only once a new snapshot sees their transaction as ended, so whoever sees
//!   the logged key sees the change.
//! - A change is visible before its key is logged. Whoever needs to know that no key is missing calls [`catch_up`].
//!
//! Keys are logged first and the position is confirmed to the slot afterwards: what is read twice is applied twice,
//! which is the same as once. One process reads the slot at a time, and within it only [`pump`]; who takes over ends an
//! earlier reader. A reader that does not know yet that it was taken over from logs nothing any more, since its log
//! rows are inserted under the fence; and since it confirms only what it has logged, its confirmations lose nothing.
//!
//! After the swap keys are captured by triggers: a slot would keep the server's write-ahead log while nobody reads it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use cofferdam_core::fault::Result;
use cofferdam_core::online::Online;
use cofferdam_core::{Code, Fault, QuotedIdent, Refusal};

use super::flow::{Flow, literal};
use super::{Work, worker};
use crate::Tick;
use crate::postgres::errors;

mod decoder;
mod log;
mod poll;
mod position;
mod stream;
#[cfg(test)]
mod tests;

pub(super) use position::Position;

/// So often is tried what needs a slot that is being read, ten times a second.
const TRIES: u32 = 150;
/// So often a stream that broke is begun again without having brought anything.
const STREAMS: u32 = 5;

/// The name of the slot and of the publication.
pub(super) fn name(change: &Online) -> String {
    format!("cofferdam_{}", change.id())
}

/// Why keys cannot be captured this way; `None`: they can.
pub(super) async fn obstacle(client: &Client, flow: &Flow, table: u32) -> Result<Option<String>> {
    let doing = "looking whether changes can be decoded";
    let key = flow.key.iter().map(|k| literal(k.source.trim_matches('"'))).collect::<Result<Vec<_>>>()?;
    let query = format!(
        "SELECT pg_catalog.current_setting('wal_level'),
                (SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
                (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attname)
                   = (SELECT pg_catalog.array_agg(k ORDER BY k) FROM pg_catalog.unnest(ARRAY[{0}]) k)
                   FROM pg_catalog.pg_class c
                   JOIN pg_catalog.pg_index i ON i.indrelid = c.oid
                    AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey::int2[])
                   WHERE c.oid = {table}),
                (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid = {table} AND a.attname::text IN ({0}) AND a.attgenerated <> '')",
        key.join(", ")
    );
    let found =
        worker::rows(&worker::run(client, &query, doing).await?)?.into_iter().next().unwrap_or_default();
    let cell = |n: usize| found.get(n).cloned().flatten();
    if cell(0).as_deref() != Some("logical") {
        return Ok(Some("wal_level is not logical".into()));
    }
    if cell(1).as_deref() != Some("t") {
        return Ok(Some("this role has no REPLICATION: ALTER ROLE ... REPLICATION".into()));
    }
    if cell(2).as_deref() != Some("t") {
        return Ok(Some("the table's replica identity is not its key".into()));
    }
    if cell(3).as_deref() != Some("0") {
        return Ok(Some(
            "a column of the key is generated, and the write-ahead log is read without such".into(),
        ));
    }
    Ok(None)
}

/// Whether the change captures keys this way: its slot is there.
pub(super) async fn at_work(client: &Client, change: &Online) -> Result<bool> {
    let query = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = {})",
        literal(&name(change))?
    );
    Ok(worker::value(client, &query, "looking for the slot").await?.as_deref() == Some("t"))
}

/// So many changed rows a second make a slot cheaper than triggers. Below it, decoding takes more from others on a
/// server of few cores than triggers do: of 4,000 TPC-B-like transactions a second on two cores, triggers left 86 % and
/// a slot 58 %.
const BUSY: i64 = 20_000;

/// The table is written so often that its writers should not pay for triggers.
pub(super) async fn busy(client: &Client, table: u32) -> Result<bool> {
    let query = format!(
        "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_catalog.pg_stat_user_tables WHERE relid = {table}"
    );
    let mut writes = Vec::new();
    for wait in [1_200, 0] {
        let count = worker::value(client, &query, "reading statistics").await?;
        writes.push(count.and_then(|c| c.parse::<i64>().ok()).unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    Ok(writes[1] - writes[0] > BUSY * 12 / 10)
}

/// Begins the capture. Every change of a transaction that had not ended when the slot was made is in it.
pub(super) async fn begin(work: &Work<'_>, client: &Client) -> Result<()> {
    let doing = "making a logical slot";
    if let Some(why) = obstacle(client, &work.flow, work.print.table_oid).await? {
        return Err(Refusal::new(Code::NotOnline, "changes cannot be captured from the write-ahead log")
            .cause(why)
            .help("use --capture auto")
            .into());
    }
    let (slot, publication) = (literal(&name(work.change))?, QuotedIdent::new(&name(work.change))?);
    end(client, work.change).await?;
    worker::run(
        client,
        &format!("CREATE PUBLICATION {publication} FOR TABLE ONLY {}", work.flow.source),
        doing,
    )
    .await?;
    worker::run(
        client,
        &format!("SELECT pg_catalog.pg_create_logical_replication_slot({slot}, 'pgoutput')"),
        doing,
    )
    .await?;
    worker::crash_at("online.slot.made")
}

/// Ends it. The slot must not be left: the server keeps its write-ahead log for it. A reader of ours that was given up
/// or killed holds it until its server process notices, so that is ended first.
pub(super) async fn end(client: &Client, change: &Online) -> Result<()> {
    let doing = "dropping the logical slot";
    let text = format!(
        "DO $cofferdam$ BEGIN PERFORM pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots
           WHERE slot_name = {name}; IF EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = {name})
           THEN DROP PUBLICATION {}; END IF; END $cofferdam$",
        QuotedIdent::new(&name(change))?,
        name = literal(&name(change))?,
    );
    let mut tries = 0;
    loop {
        let Err(e) = client.simple_query(&text).await else { return Ok(()) };
        if e.code() != Some(&SqlState::OBJECT_IN_USE) || tries == TRIES {
            return Err(errors::fault(e, doing));
        }
        tries += 1;
        free(client, change).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Ends the server process of ours that reads the slot, if there is one; whether the slot is still being read. Whoever
/// calls holds the run lock, so it is a reader that was given up.
async fn free(client: &Client, change: &Online) -> Result<bool> {
    let query = format!(
        "SELECT (SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a
                 WHERE a.pid = s.active_pid AND a.pid <> pg_catalog.pg_backend_pid()
                   AND a.application_name LIKE 'cofferdam %')
         FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = {} AND s.active_pid IS NOT NULL",
        literal(&name(change))?
    );
    match client.simple_query(&query).await {
        Ok(answer) => Ok(!worker::rows(&answer)?.is_empty()),
        // It is another role's: it ends by itself.
        Err(e) if e.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(true),
        Err(e) => Err(errors::fault(e, "ending an earlier reader of the slot")),
    }
}

/// The columns of the key, as the server calls them.
fn key(flow: &Flow) -> Vec<String> {
    flow.key.iter().map(|k| k.source.trim_matches('"').replace("\"\"", "\"")).collect()
}

/// Logs keys again and again, as a stream if it can. Never ends; it is dropped with the part that it feeds.
pub(super) async fn pump(work: &Work<'_>) -> Result<()> {
    let mut tries = 0;
    loop {
        let before = work.decoded.at();
        let Err(fault) = stream::pump(work).await;
        tries = if work.decoded.at() > before { 1 } else { tries + 1 };
        let refusal = match &fault {
            Fault::Refused(refusal) if refusal.code == Code::Fenced => return Err(fault),
            Fault::Bug(_) | Fault::Unknown(_) => return Err(fault),
            Fault::Refused(refusal) | Fault::Again { why: refusal, .. } => refusal,
        };
        let passes = matches!(refusal.code, Code::ConnectionLost | Code::LockNotObtained)
            || refusal.notes.iter().any(|n| n == "SQLSTATE 55006");
        if !passes || tries > STREAMS {
            if !work.session.polls.swap(true, Ordering::SeqCst) {
                let cause = refusal.cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
                (work.session.ticker)(Tick::Notice(format!(
                    "the slot cannot be read as a stream and is asked again and again, which takes the server longer: \
                     {}{cause}",
                    refusal.what
                )));
            }
            let Err(fault) = poll::pump(work).await;
            return Err(fault);
        }
        tokio::time::sleep(Duration::from_millis(100) * tries).await;
    }
}

/// Returns when the key of every change that was committed before the call is logged, which [`pump`] does meanwhile.
pub(super) async fn catch_up(work: &Work<'_>) -> Result<()> {
    let client = worker::connect(work.session, "decode").await?;
    let doing = "reading the write-ahead log";
    let upto = worker::value(&client, "SELECT pg_catalog.pg_current_wal_insert_lsn()", doing).await?;
    let upto = position::parse(upto.as_deref().unwrap_or_default())?;
    // A commit of our own that is waited for brings what others committed without waiting to disk. What waits for
    // standbys is nothing that anybody has seen.
    worker::run(&client, "SET synchronous_commit = local", doing).await?;
    let note = "SELECT pg_catalog.pg_logical_emit_message(true, 'cofferdam', '')";
    worker::run(&client, note, doing).await?;
    work.decoded.wait(work, upto).await
}
