//! The swap, and the swap back: one short transaction in which the last logged keys are applied and the tables
//! change places.
//!
//! It runs on the connection that holds the run lock. Everything that it says to the server was written beforehand.
//! The table is locked with a short timeout, so that nobody queues behind us for longer, and tried again after a
//! pause that differs; before each try the log is emptied but for what comes in meanwhile.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use cofferdam_core::fault::{Question, Result};
use cofferdam_core::online::{Capture, Part};
use cofferdam_core::{Code, Fault, Refusal};

use super::flow::{Direction, Flow, literal};
use super::worker::{self, Opened, passing, rollback};
use super::{Work, apply, capture, copy, guard, logical, planted, snapshots};
use crate::postgres::{errors, watch};
use crate::{Holder, Tick};

/// The longest wait for one lock, while which others queue behind us.
const LOCK_TIMEOUT: Duration = Duration::from_millis(150);
/// A statement in the locked transaction that takes longer is given up: a late swap is better than a long one.
const STATEMENT_TIMEOUT: Duration = Duration::from_millis(2_000);
/// More logged keys than this are not applied under the lock. Where others write so fast that there are always more, a
/// longer lock is better than no swap: it becomes twice as many with every so many tries.
const LEFT: usize = 1_000;
const DOUBLED: u32 = 6;
/// After so many tries the swap is given up for now.
const TRIES: u32 = 240;
/// Those in which a statement took too long stand in everybody's way: there are no more of them.
const SLOW: u32 = 5;

/// Swaps, or swaps back, by the direction of the work's flow.
pub(super) async fn swap(work: &Work<'_>) -> Result<()> {
    let drainer = worker::connect_to_begin(work, "apply").await?;
    snapshots::from_before_the_copy_end(work, &drainer, LEFT).await?;
    let (mut tries, mut slow) = (0, 0);
    loop {
        work.check()?;
        if !planted("swap-before-drain") {
            apply::drain(work, &drainer, LEFT / 4).await?;
        }
        match attempt(work, LEFT << (tries / DOUBLED).min(5)).await {
            Ok(Tried::Swapped) => return Ok(()),
            Ok(Tried::Truncated) => copy::anew(work).await?,
            // A longer pause would be to let still more come in, and none to be in everybody's way.
            Ok(Tried::TooMuchCameIn) if tries < TRIES => {
                tries += 1;
                work.pause(2).await?;
            }
            Ok(Tried::TooMuchCameIn) => return Err(too_much_came_in().into()),
            // A unique value on its way from one row to another, or a row that cannot be taken back: that is settled
            // outside of the lock.
            Err(fault)
                if apply::misfits(&fault) && tries < TRIES && work.flow.direction == Direction::Forward =>
            {
                apply::whole(work, &drainer).await?;
                tries += 1;
                if tries > 20 {
                    return Err(fault);
                }
            }
            Err(fault) if took_too_long(&fault) => {
                (tries, slow) = (tries + 1, slow + 1);
                if slow >= SLOW {
                    return Err(too_slow().into());
                }
                work.pause(8).await?;
            }
            Err(fault) if passing(&fault) && tries < TRIES => {
                tries += 1;
                let holders = holders(&drainer, &work.flow).await.unwrap_or_default();
                work.blocked_by(holders.first());
                (work.session.ticker)(Tick::WaitingFor(holders));
                work.pause(tries.min(8)).await?;
            }
            Err(Fault::Again { why, .. }) => {
                let holders = holders(&drainer, &work.flow).await.unwrap_or_default();
                let why = holders.iter().fold(*why, |why, holder| why.note(format!("held by {holder}")));
                return Err(why.into());
            }
            Err(fault) => return Err(fault),
        }
    }
}

/// Whether [`STATEMENT_TIMEOUT`] ended a statement: nothing is wrong with the change.
fn took_too_long(fault: &Fault) -> bool {
    let told = |refusal: &Refusal| {
        refusal.code == Code::StatementFailed && refusal.what.contains("statement timeout")
    };
    fault.refusal().is_some_and(told)
}

/// What came of one try.
enum Tried {
    Swapped,
    /// The leading table was truncated.
    Truncated,
    /// More rows changed before the lock was obtained than are to be applied under it.
    TooMuchCameIn,
}

async fn attempt(work: &Work<'_>, most: usize) -> Result<Tried> {
    let client = &work.session.client;
    let began = Instant::now();
    let result = attempt_open(work, client, most).await;
    match &result {
        Ok(Tried::Swapped) => {
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            (work.session.ticker)(Tick::Locked(ms));
            (work.session.ticker)(Tick::Notice(format!("the tables were locked for {ms} ms")));
        }
        _ => rollback(client).await,
    }
    result
}

async fn attempt_open(work: &Work<'_>, client: &Client, most: usize) -> Result<Tried> {
    let doing = "swapping the tables";
    let (flow, print) = (&work.flow, &work.print);
    let mut opening = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path = ''; SET LOCAL client_min_messages = warning; SET LOCAL row_security = off; SET LOCAL lock_timeout = {}; \
         SET LOCAL statement_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = '2s'; {};",
        LOCK_TIMEOUT.as_millis(),
        STATEMENT_TIMEOUT.as_millis(),
        print.lock_first.iter().map(|s| format!("{s};")).collect::<String>(),
    );
    opening += &format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE;", print.lock.join(", "));
    opening += &format!("{}; {}", flow.fenced(work.epoch), flow.unchanged()?);
    let found = worker::rows(&worker::run(client, &opening, doing).await?)?;
    if worker::checked(flow, &found)? == Opened::Truncated {
        return Ok(Tried::Truncated);
    }
    if apply::waiting(client, flow).await? > most && !planted("swap-before-drain") {
        return Ok(Tried::TooMuchCameIn);
    }
    if work.kind == Capture::Logical {
        // Nobody writes now: after this every key is logged.
        logical::catch_up(work).await?;
    }
    worker::crash_at("online.swap.locked")?;
    if !planted("swap-before-drain") {
        let (_, keys) = apply::take(client, flow, None).await?;
        apply::put(client, flow, &keys).await?;
    }
    if flow.direction == Direction::Back {
        refuse_quarantined(client, flow).await?;
    }
    worker::crash_at("online.swap.drained")?;
    worker::run(client, &statements(work)?, doing).await?;
    worker::crash_at("online.swap.before-commit")?;
    let committed = client.batch_execute("COMMIT").await;
    worker::crash_at("online.swap.committed")?;
    committed.map_err(|e| answer_lost(errors::fault(e, doing)))?;
    Ok(Tried::Swapped)
}

/// What was committed with the swap tells the next runner whether it happened.
fn answer_lost(fault: Fault) -> Fault {
    match fault {
        Fault::Refused(refusal) if refusal.code == Code::ConnectionLost => Fault::Unknown(Question {
            what: "the connection broke before the answer to the swap's COMMIT came".into(),
            look_at: "run the same command again: the swap wrote down that it happened".into(),
        }),
        other => other,
    }
}

/// The statements of the swap, in one text.
fn statements(work: &Work<'_>) -> Result<String> {
    let (change, print) = (work.change, &work.print);
    let mut out = capture::end(&work.flow.source)?;
    let mark = match work.flow.direction {
        Direction::Forward => {
            let back = Flow::new(change, print, Direction::Back)?;
            out.extend(print.swap.iter().cloned());
            // As many rows a statement as before: whoever writes the table, writes it as before.
            let kind = if work.kind == Capture::Logical { Capture::Rows } else { work.kind };
            out.extend(capture::begin(&back, &change.old_schema(), kind)?);
            out.push(capture::note(&back, kind)?);
            out.extend(guard::begin(change, &change.old_schema())?);
            work.stage_sql(Part::Swap.word())?
        }
        Direction::Back => {
            out.extend(print.swap_back.iter().cloned());
            out.extend(guard::begin(change, &change.new_schema())?);
            work.stage_sql(Part::Gate.word())?
        }
    };
    out.push(mark);
    Ok(out.join("; "))
}

pub(super) async fn refuse_quarantined(client: &Client, flow: &Flow) -> Result<()> {
    let query = format!("SELECT key, why FROM {} ORDER BY key LIMIT 10", flow.quarantine);
    let found = worker::rows(&worker::run(client, &query, "reading the quarantine").await?)?;
    if found.is_empty() {
        return Ok(());
    }
    let refusal = Refusal::new(
        Code::RollbackUnsafe,
        format!("rows that were written since the swap do not fit into {}", flow.target),
    )
    .help("change these rows so that they fit and roll back again, or stay: cofferdam finalize");
    Err(found
        .into_iter()
        .fold(refusal, |r, row| {
            let cell = |n: usize| row.get(n).cloned().flatten().unwrap_or_default();
            r.note(format!("key {}: {}", cell(0), cell(1)))
        })
        .into())
}

fn too_slow() -> Refusal {
    let seconds = STATEMENT_TIMEOUT.as_secs();
    Refusal::new(Code::LockNotObtained, format!("a statement of the swap took longer than {seconds} s"))
        .cause(format!("the table is locked meanwhile; {SLOW} tries were given up"))
        .help("run the same command again where the server has less to do: it goes on with the swap")
}

fn too_much_came_in() -> Refusal {
    Refusal::new(
        Code::LockNotObtained,
        "more rows changed before the lock was obtained than are to be applied under it",
    )
    .help("run the same command again where less is written: cofferdam goes on with the swap")
}

/// Who holds a lock on the leading table.
async fn holders(client: &Client, flow: &Flow) -> Result<Vec<Holder>> {
    let query = format!(
        "SELECT DISTINCT {} FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
         WHERE l.relation = pg_catalog.to_regclass({}) AND l.granted AND a.application_name NOT LIKE 'cofferdam %'",
        watch::HOLDER_COLUMNS,
        literal(&flow.source)?
    );
    let rows = client.query_typed(&query, &[]).await.map_err(|e| errors::fault(e, "looking for blockers"))?;
    rows.iter().map(watch::holder_of).collect()
}
