//! One transaction: statements, journal, run and history together, or nothing.

use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use tokio_postgres::SimpleQueryMessage;
use uuid::Uuid;

use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::What;
use cofferdam_core::plan::Act;
use cofferdam_core::{Code, Fault, Refusal, failpoint};
use cofferdam_formats::history::{Context, Write, own};

use super::claim::Claim;
use super::record::{MOST_ROWS, Writing};
use super::session::PostgresSession;
use super::statements::Parameter;
use super::{errors, history, large, parked, perform, record, rehearsal};
use crate::ledger::Book;
use crate::{Batch, Kept, Line, Record, Stopping, Tick};

pub(super) async fn commit(session: &mut PostgresSession, batch: &Batch<'_>) -> Result<()> {
    let result = attempt(session, batch).await;
    if result.is_err() {
        // Whatever failed, the transaction must not stay open. If the connection is gone, so is the transaction.
        let _ = session.client.batch_execute("ROLLBACK").await;
    }
    let claim = result?;
    session.claim = Some(claim);
    Ok(())
}

async fn attempt(session: &mut PostgresSession, batch: &Batch<'_>) -> Result<Claim> {
    let Some(mut claim) = session.claim.clone() else {
        return Err(Fault::Bug("a batch was to be committed without the run lock".into()));
    };
    let began = Instant::now();
    let opening = begin(session, batch, &claim).await?;
    let mut entries = Vec::new();
    for line in &batch.lines {
        match line {
            Line::Write(what) => entries.push(what.clone()),
            Line::Perform { id, act, step } => {
                // Found between two statements: the next one is not begun.
                if matches!((session.stop)(), Stopping::AtSafePoint | Stopping::AtOnce) {
                    return Err(
                        Refusal::new(Code::Interrupted, format!("{} was not begun", step.title)).into()
                    );
                }
                (session.ticker)(Tick::StepBegan(id.clone()));
                let before = rehearsal::before(session).await?;
                let step_began = Instant::now();
                let said = match act {
                    Act::Park { parking, deed } => {
                        let (limits, run) = (batch.limits, Some(batch.run));
                        let asked = parked::Asked { parking, deed: *deed, step, limits, since: began, run };
                        parked::perform(session, &asked).await?
                    }
                    act => {
                        perform::watched(session, act, step, batch.limits, began).await?;
                        Vec::new()
                    }
                };
                session.pass_on_notices();
                let ms = milliseconds(step_began);
                rehearsal::after(session, before, None, id).await?;
                (session.ticker)(Tick::StepEnded(id.clone(), ms));
                entries.push(What::Began { step: id.clone() });
                entries.push(What::Ended { step: id.clone(), how: "performed".into(), ms: Some(ms) });
                entries.extend(said.into_iter().map(|text| What::Noted { text }));
                if failpoint::hit("atomic.statement") {
                    return Err(errors::lost("failpoint atomic.statement"));
                }
            }
        }
    }
    let now = record::now();
    let writes = history_writes(session, batch, milliseconds(began), now, opening.next_rank).await?;
    let mut entries = entries.into_iter();
    // What is too much for one statement goes before it.
    while entries.len() > MOST_ROWS {
        let rows = entries.by_ref().take(MOST_ROWS).collect();
        let mut writing = Writing::within(opening.transaction);
        writing.journal(record::chain(&mut claim, batch.run.id, &session.who, now, rows))?;
        before(session, &writing).await?;
    }
    let large = batch.open && large::is_large(&batch.run.plan);
    if large {
        before(session, &Writing::within(opening.transaction)).await?;
        large::write_run(&session.client, batch.run, claim.epoch, now).await?;
    }
    let mut writing = Writing::within(opening.transaction);
    writing.journal(record::chain(&mut claim, batch.run.id, &session.who, now, entries.collect()))?;
    if !large {
        writing.run(batch, claim.epoch, now)?;
    }
    writing.history(&Book::own(), writes.own)?;
    if let Some(ledger) = &session.ledger {
        writing.history(&ledger.book, writes.tool)?;
    }
    let sql = writing.sql();
    let parameters = writing.parameters();
    end(session, &sql, &parameters).await?;
    session.statements.sent(&sql, &parameters);
    if failpoint::hit("atomic.committed") {
        return Err(errors::lost("failpoint atomic.committed"));
    }
    Ok(claim)
}

/// Writes without committing.
async fn before(session: &PostgresSession, writing: &Writing<'_>) -> Result<()> {
    settle(session).await.map_err(record::fault)?;
    write(session, writing).await
}

/// Writes, and commits: all of it is sent before the first answer is there. Once a part of it fails the server
/// refuses the rest and makes a ROLLBACK of the COMMIT, so that nothing is committed that was not written about.
async fn end(session: &PostgresSession, sql: &str, parameters: &[Parameter<'_>]) -> Result<()> {
    let client = &session.client;
    let mut settled = pin!(settle(session));
    let mut written = pin!(session.statements.query(client, sql, parameters));
    // In this order. What is done at once was not sent.
    let first = futures::poll!(settled.as_mut());
    if let Poll::Ready(outcome) = futures::poll!(written.as_mut()) {
        let _ = outcome.map_err(record::fault)?;
        return Err(Fault::Bug("the journal was written before it was sent".into()));
    }
    let settled = async {
        match first {
            Poll::Ready(settled) => settled,
            Poll::Pending => settled.await,
        }
    };
    if failpoint::due("atomic.before-commit") {
        settled.await.and(written.await.map(drop)).map_err(record::fault)?;
        failpoint::hit("atomic.before-commit");
        return Err(errors::lost("failpoint atomic.before-commit"));
    }
    failpoint::hit("atomic.before-commit");
    let (settled, written, committed) = futures::join!(settled, written, client.batch_execute("COMMIT"));
    if failpoint::hit("atomic.commit-sent") {
        return Err(errors::lost("failpoint atomic.commit-sent"));
    }
    // COMMIT was sent: from here on a lost answer leaves open what happened.
    let unknown = |fault| perform::answer_lost(fault, "committing");
    settled.and(written.map(drop)).map_err(|e| unknown(record::fault(e)))?;
    committed.map_err(|e| unknown(errors::fault(e, "committing")))
}

struct Opening {
    /// The transaction's number, by which a script that left it shows.
    transaction: i64,
    /// The rank that the history's next row gets.
    next_rank: i64,
}

/// Opens the transaction and looks, under a lock on the run's row, whether we are still the one that may write.
async fn begin(session: &mut PostgresSession, batch: &Batch<'_>, claim: &Claim) -> Result<Opening> {
    let statements = batch.lines.iter().any(|l| matches!(l, Line::Perform { .. }));
    let lock_timeout = if statements { batch.limits.lock_timeout_ms } else { 10_000 };
    let begin = format!("BEGIN; SET LOCAL lock_timeout = {lock_timeout}");
    let answer = session.statements.fenced(&session.client, &begin, batch.run.id).await;
    let answer = answer.map_err(|e| errors::fault(e, "opening a transaction"))?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let Some(row) = row else { return Err(Fault::Bug("the fence returned no row".into())) };
    let number = |column: usize| {
        let text = row.try_get(column).map_err(|e| errors::fault(e, "opening a transaction"))?;
        Ok::<_, Fault>(text.and_then(|text| text.parse::<i64>().ok()))
    };
    let (Some(transaction), Some(newest), Some(next_rank)) = (number(0)?, number(1)?, number(3)?) else {
        return Err(Fault::Bug(format!("the fence returned {row:?}")));
    };
    let ours = match number(2)? {
        None => batch.open,
        Some(epoch) => !batch.open && (epoch == claim.epoch || (batch.adopt && epoch < claim.epoch)),
    };
    if newest > claim.epoch || !ours {
        return Err(record::fenced());
    }
    if failpoint::hit("atomic.begun") {
        return Err(errors::lost("failpoint atomic.begun"));
    }
    Ok(Opening { transaction, next_rank })
}

/// The script may have become somebody who may not write our tables (`SET ROLE`). Sent when it is polled for the
/// first time.
async fn settle(session: &PostgresSession) -> Result<(), tokio_postgres::Error> {
    if session.unsettled { session.client.batch_execute("RESET ROLE").await } else { Ok(()) }
}

/// What is written into the histories.
#[derive(Default)]
struct Writes {
    own: Vec<Write>,
    tool: Vec<Write>,
}

/// What the batch means for the histories: the run's end, or, where the tool has a mark for what is begun, that.
async fn history_writes(
    session: &PostgresSession,
    batch: &Batch<'_>,
    ms: u64,
    now: jiff::Timestamp,
    next_rank: i64,
) -> Result<Writes> {
    let ledger = session.ledger.as_ref();
    let keeps_own = ledger.is_none_or(|ledger| ledger.kept != Kept::Tool);
    let Some(before) = batch.record else {
        let tool = match ledger {
            Some(ledger) => ledger.marks(session, batch).await?,
            None => Vec::new(),
        };
        return Ok(Writes { own: Vec::new(), tool });
    };
    let mut writes = Writes::default();
    match &batch.run.record {
        Record::Nothing => {}
        Record::Applied(applied) => {
            let mut row = Applied {
                rank: next_rank,
                at: now.to_string(),
                ms: before + ms,
                run: Some(batch.run.id),
                ..applied.as_ref().clone()
            };
            row.bundle.kept_in = ledger.map(|ledger| ledger.book.codec.id.to_owned());
            if let Some(ledger) = ledger {
                settle(session).await.map_err(record::fault)?;
                writes.tool = ledger.applied(session, &row).await?;
            }
            if keeps_own {
                writes.own = (own::CODEC.applied)(&row, &Context::nothing())?;
            }
        }
        Record::Undone { rank } => {
            settle(session).await.map_err(record::fault)?;
            let own = history::read(&session.client).await?;
            let row = match ledger {
                Some(ledger) if !keeps_own => {
                    ledger.theirs(session, &own, *rank, &batch.run.plan.key).await?
                }
                _ => own.iter().find(|a| a.rank == *rank && a.in_force()).cloned(),
            };
            let row = row.ok_or_else(record::fenced)?;
            let row = Applied { undone_at: Some(now.to_string()), ..row };
            if let Some(ledger) = ledger {
                writes.tool = ledger.undone(session, &row, &own).await?;
            }
            if keeps_own {
                writes.own = (own::CODEC.undone)(&row, &Context::nothing())?;
            }
        }
    }
    Ok(writes)
}

/// See [`crate::Session::amend_history`].
pub(super) async fn amend(session: &mut PostgresSession, changes: &[(Applied, String)]) -> Result<()> {
    let Some(mut claim) = session.claim.clone() else {
        return Err(Fault::Bug("the history was to be amended without the run lock".into()));
    };
    let doing = "amending the history";
    session.client.batch_execute("BEGIN").await.map_err(|e| errors::fault(e, doing))?;
    let result = amend_open(session, &mut claim, changes).await;
    if result.is_err() {
        let _ = session.client.batch_execute("ROLLBACK").await;
    }
    result?;
    session.client.batch_execute("COMMIT").await.map_err(|e| errors::fault(e, doing))?;
    session.claim = Some(claim);
    Ok(())
}

async fn amend_open(
    session: &PostgresSession,
    claim: &mut Claim,
    changes: &[(Applied, String)],
) -> Result<()> {
    let ledger = session.ledger.as_ref();
    let own = history::read(&session.client).await?;
    let mut last = own.iter().map(|row| row.rank).max().unwrap_or(0);
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    for (row, _) in changes {
        if row.rank == 0 {
            last += 1;
            let mut row = Applied { rank: last, ..row.clone() };
            row.bundle.kept_in = ledger.map(|ledger| ledger.book.codec.id.to_owned());
            new.push(row);
        } else {
            changed.push(row.clone());
        }
    }
    if let Some(ledger) = ledger {
        if !new.is_empty() {
            let writes = ledger.all_applied(session, &new).await?;
            ledger.write(session, writes).await?;
        }
        if !changed.is_empty() {
            ledger.write(session, ledger.changed(session, &changed, &own).await?).await?;
        }
    }
    let now = record::now();
    let mut entries = Vec::with_capacity(changes.len());
    for (row, note) in changes {
        let noted = vec![What::Noted { text: note.clone() }];
        entries.extend(record::chain(claim, row.run.unwrap_or(Uuid::nil()), &session.who, now, noted));
    }
    let mut entries = entries.into_iter();
    while entries.len() > MOST_ROWS {
        let mut writing = Writing::default();
        writing.journal(entries.by_ref().take(MOST_ROWS).collect())?;
        write(session, &writing).await?;
    }
    let mut writing = Writing::default();
    writing.journal(entries.collect())?;
    if ledger.is_none_or(|ledger| ledger.kept != Kept::Tool) {
        let mut writes = Vec::new();
        for row in &new {
            writes.extend((own::CODEC.applied)(row, &Context::nothing())?);
        }
        for row in &changed {
            writes.extend((own::CODEC.amended)(row, &Context::nothing())?);
        }
        writing.history(&Book::own(), writes)?;
    }
    write(session, &writing).await
}

async fn write(session: &PostgresSession, writing: &Writing<'_>) -> Result<()> {
    let written = session.client.query_typed(&writing.sql(), &writing.parameters()).await;
    written.map(drop).map_err(record::fault)
}

/// See [`crate::Session::append`].
pub(super) async fn append(session: &mut PostgresSession, what: What) -> Result<()> {
    let Some(mut claim) = session.claim.clone() else {
        return Err(Fault::Bug("the journal was to be written to without the run lock".into()));
    };
    let rows = record::chain(&mut claim, Uuid::nil(), &session.who, record::now(), vec![what]);
    let mut writing = Writing::default();
    writing.journal(rows)?;
    write(session, &writing).await?;
    session.claim = Some(claim);
    Ok(())
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
