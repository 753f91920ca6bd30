//! The copy: every row of the leading table, in chunks, side by side.
//!
//! One transaction a chunk, with one snapshot: what the log says up to that snapshot is in the rows that it shows,
//! so exactly those log rows are discarded, by being deleted in that same snapshot. A log row that is committed
//! later is not visible to it and stays. No row of the leading table is locked.

use tokio_postgres::Client;

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;

use super::chunks::{Chunk, Chunks};
use super::worker::{self, Opened, begin, counts, passing, rollback};
use super::{Work, pace};
use crate::postgres::errors;

/// How a copy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every chunk is copied.
    Whole,
    /// The leading table was truncated in the middle of it.
    Truncated,
}

/// Copies what is not copied yet; goes on from where an earlier runner stopped. A leading table that is truncated
/// meanwhile is copied from the beginning: what is left of it is little.
pub(super) async fn all(work: &Work<'_>) -> Result<()> {
    loop {
        match once(work).await? {
            Ended::Whole => return Ok(()),
            Ended::Truncated => restart(work).await?,
        }
    }
}

/// The leading table was truncated: what was copied of it goes, and what it holds now is copied.
pub(super) async fn anew(work: &Work<'_>) -> Result<()> {
    restart(work).await?;
    all(work).await
}

async fn once(work: &Work<'_>) -> Result<Ended> {
    let planner = worker::connect(work.session, "chunks").await?;
    // A chunk that was cut is lost only together with what was copied of it, which is written later.
    worker::run(&planner, worker::UNHURRIED, "setting up a connection").await?;
    let width = work.row_width().await?;
    let chunks = Chunks::resume(planner, &work.flow, width).await?;
    let workers = (0..work.workers()).map(|number| one_worker(work, &chunks, width, number));
    let ended = futures::future::try_join_all(workers).await?;
    Ok(if ended.contains(&Ended::Truncated) { Ended::Truncated } else { Ended::Whole })
}

async fn one_worker(work: &Work<'_>, chunks: &Chunks<'_>, width: f64, number: usize) -> Result<Ended> {
    let client = worker::connect_to_begin(work, &format!("copy {}", number + 1)).await?;
    worker::run(&client, worker::UNHURRIED, "setting up a connection").await?;
    loop {
        let Some(turn) = work.may_go_on(number, || chunks.none_left()).await? else {
            return Ok(Ended::Whole);
        };
        let Some(chunk) = chunks.next().await? else { return Ok(Ended::Whole) };
        worker::crash_at("online.copy.cut")?;
        let mut tries = 0;
        let rows = loop {
            match copy(&client, work, &chunk, width).await {
                Ok(Some(rows)) => break rows,
                Ok(None) => return Ok(Ended::Truncated),
                // A deadlock or a snapshot that was too old to lock the fence: nothing happened.
                Err(fault) if passing(&fault) && tries < 20 => {
                    tries += 1;
                    work.pause(tries).await?;
                }
                Err(fault) => {
                    chunks.give_back(chunk.clone()).await;
                    return Err(misfit(&client, work, &chunk, fault).await);
                }
            }
        };
        chunks.took(turn.took(), pace::AIM).await;
        work.copied(rows);
    }
}

/// `None`: the leading table was truncated.
async fn copy(client: &Client, work: &Work<'_>, chunk: &Chunk, width: f64) -> Result<Option<u64>> {
    let flow = &work.flow;
    if begin(client, flow, work.epoch).await? == Opened::Truncated {
        return Ok(None);
    }
    let result = copy_open(client, work, chunk, width).await;
    if result.is_err() {
        rollback(client).await;
    }
    result.map(Some)
}

async fn copy_open(client: &Client, work: &Work<'_>, chunk: &Chunk, width: f64) -> Result<u64> {
    let doing = "copying rows";
    let flow = &work.flow;
    let mut text = format!(
        "DELETE FROM {} l WHERE {}; {} WHERE {} {}; UPDATE {} SET copied = true WHERE no = {} AND NOT copied",
        flow.log,
        flow.log_range(&chunk.range)?,
        flow.insert(&format!("ONLY {} {}", flow.source, flow.source_alias)),
        flow.source_range(&chunk.range)?,
        work.breath(width),
        flow.chunk,
        chunk.no
    );
    super::plant::in_copy(flow, chunk, &mut text)?;
    worker::crash_at("online.copy.begun")?;
    let answer = worker::run(client, &text, doing).await?;
    worker::crash_at("online.copy.before-commit")?;
    let [.., rows, marked] = counts(&answer)[..] else {
        return Err(Fault::Bug("a copied chunk gave no counts".into()));
    };
    if marked != 1 {
        return Err(worker::fenced());
    }
    let committed = client.batch_execute("COMMIT").await;
    worker::crash_at("online.copy.committed")?;
    // Whether a lost answer stands for a commit, the chunk's row tells the next runner.
    committed.map_err(|e| errors::fault(e, doing))?;
    Ok(rows)
}

/// Rows that the new definition does not take, by their keys: the chunk is halved until they are found.
async fn misfit(client: &Client, work: &Work<'_>, chunk: &Chunk, fault: Fault) -> Fault {
    match super::misfit::of(client, work, &chunk.range, &fault).await {
        Ok(Some(refusal)) => refusal.into(),
        _ => fault,
    }
}

/// Follows a TRUNCATE. Every transaction that copies holds a lock on the leading table from before its snapshot, so
/// each of them lies wholly before the TRUNCATE, and what it copied goes here, or wholly after it, and then it saw the
/// mark in the log and did nothing. Every row that the table holds now was written after the TRUNCATE: its key is in
/// the log. So nothing is left to be copied.
async fn restart(work: &Work<'_>) -> Result<()> {
    let flow = &work.flow;
    let doing = "following a TRUNCATE";
    let client = worker::connect(work.session, "restart").await?;
    let opening = format!(
        "BEGIN; LOCK TABLE ONLY {} IN ACCESS SHARE MODE; LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE;
         SELECT epoch FROM {} WHERE epoch = {} FOR SHARE; DELETE FROM {} WHERE op = 'T'",
        flow.source, flow.target, flow.fence, work.epoch, flow.log
    );
    let answer = worker::run(&client, &opening, doing).await?;
    if worker::rows(&answer)?.is_empty() {
        rollback(&client).await;
        return Err(worker::fenced());
    }
    // Another worker that saw the mark, too, was here before us.
    if counts(&answer).last() == Some(&0) {
        rollback(&client).await;
        return Ok(());
    }
    // No other TRUNCATE can come in between: it would need the lock that we stand in the way of.
    let node = match &flow.expected {
        Some(expected) => {
            format!("UPDATE {} SET node = pg_catalog.pg_relation_filenode({});", flow.fence, expected.table)
        }
        None => String::new(),
    };
    let text = format!(
        "{node} TRUNCATE ONLY {}; DELETE FROM {chunk}; INSERT INTO {chunk} (no, copied) VALUES (1, true); COMMIT",
        flow.target,
        chunk = flow.chunk,
    );
    worker::run(&client, &text, doing).await.map(|_| ())
}
