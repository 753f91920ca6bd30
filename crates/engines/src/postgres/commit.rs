//! One transaction: statements, journal, run and history together, or nothing.

use std::time::Instant;

use tokio_postgres::types::{Json, ToSql, Type};
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};
use uuid::Uuid;

use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::{Entry, What};
use cofferdam_core::{Code, Fault, Refusal, failpoint};
use cofferdam_formats::history::Write;

use super::claim::Claim;
use super::history::{self, CODEC};
use super::session::PostgresSession;
use super::{errors, perform};
use crate::{Batch, Line, Record, Tick};

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
                (session.ticker)(Tick::StepBegan(id.clone()));
                let step_began = Instant::now();
                perform::watched(session, act, step, batch.limits, began).await?;
                session.pass_on_notices();
                let ms = milliseconds(step_began);
                (session.ticker)(Tick::StepEnded(id.clone(), ms));
                entries.push(What::Began { step: id.clone() });
                entries.push(What::Ended { step: id.clone(), how: "performed".into(), ms: Some(ms) });
                if failpoint::hit("atomic.statement") {
                    return Err(errors::lost("failpoint atomic.statement"));
                }
            }
        }
    }
    if settle(session).await? != opening.transaction {
        return Err(Refusal::new(Code::TransactionInFile, "the script ended the transaction that it ran in")
            .cause(
                "a statement of it committed or rolled back by itself, so its record may not fit what it did",
            )
            .help("remove it from the script; then look at what is there with cofferdam status")
            .into());
    }
    write(session, batch, &mut claim, entries, milliseconds(began), opening.next_rank).await?;
    if failpoint::hit("atomic.before-commit") {
        return Err(errors::lost("failpoint atomic.before-commit"));
    }
    let answer = session.client.simple_query("COMMIT").await;
    if failpoint::hit("atomic.commit-sent") {
        return Err(errors::lost("failpoint atomic.commit-sent"));
    }
    answer.map_err(|e| perform::answer_lost(errors::fault(e, "committing"), "committing"))?;
    if failpoint::hit("atomic.committed") {
        return Err(errors::lost("failpoint atomic.committed"));
    }
    Ok(claim)
}

struct Opening {
    /// The transaction's time, by which a script that left the transaction shows.
    transaction: String,
    /// The rank that the history's next row gets.
    next_rank: i64,
}

/// Opens the transaction and looks, under a lock on the run's row, whether we are still the one that may write.
async fn begin(session: &PostgresSession, batch: &Batch<'_>, claim: &Claim) -> Result<Opening> {
    let statements = batch.lines.iter().any(|l| matches!(l, Line::Perform { .. }));
    let lock_timeout = if statements { batch.limits.lock_timeout_ms } else { 10_000 };
    let fence = format!(
        "BEGIN; SET LOCAL lock_timeout = {lock_timeout};
         SELECT pg_catalog.now()::pg_catalog.text, (SELECT coalesce(max(epoch), 0) FROM cofferdam.run),
                (SELECT epoch FROM cofferdam.run WHERE id = '{}' FOR UPDATE),
                (SELECT coalesce(max(rank), 0) + 1 FROM cofferdam.history)",
        batch.run.id
    );
    let answer =
        session.client.simple_query(&fence).await.map_err(|e| errors::fault(e, "opening a transaction"))?;
    let row = first_row(&answer);
    let Some(row) = row else { return Err(Fault::Bug("the fence returned no row".into())) };
    let newest: i64 = row.get(1).and_then(|t| t.parse().ok()).unwrap_or(i64::MAX);
    let of_run: Option<i64> = row.get(2).and_then(|t| t.parse().ok());
    let ours = match of_run {
        None => batch.open,
        Some(epoch) => !batch.open && (epoch == claim.epoch || (batch.adopt && epoch < claim.epoch)),
    };
    if newest > claim.epoch || !ours {
        return Err(fenced());
    }
    if failpoint::hit("atomic.begun") {
        return Err(errors::lost("failpoint atomic.begun"));
    }
    let next_rank = row.get(3).and_then(|t| t.parse().ok()).unwrap_or(1);
    Ok(Opening { transaction: row.get(0).unwrap_or_default().to_owned(), next_rank })
}

fn fenced() -> Fault {
    Refusal::new(Code::Fenced, "another runner has taken over")
        .cause("the database holds a newer epoch than ours, so nothing was written")
        .help("cofferdam status")
        .into()
}

/// Makes the transaction ours again, and says which one it is: the script may have become somebody who may not
/// write our tables (`SET ROLE`), or may have left the transaction.
async fn settle(session: &PostgresSession) -> Result<String> {
    let answer = session
        .client
        .simple_query("RESET ROLE; SELECT pg_catalog.now()::pg_catalog.text")
        .await
        .map_err(|e| errors::fault(e, "writing the journal"))?;
    Ok(first_row(&answer).and_then(|row| row.get(0)).unwrap_or_default().to_owned())
}

fn first_row(answer: &[SimpleQueryMessage]) -> Option<&SimpleQueryRow> {
    answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })
}

/// Writes our own rows in one round trip.
async fn write(
    session: &PostgresSession,
    batch: &Batch<'_>,
    claim: &mut Claim,
    whats: Vec<What>,
    ms: u64,
    next_rank: i64,
) -> Result<()> {
    let doing = "writing the journal";
    let client = &session.client;
    let run = batch.run;
    let now = now();
    let rows = chain(claim, run.id, &session.who, now, whats);
    let (phase, intent) = (word(&run.phase), word(&run.plan.intent));
    let ended = run.phase.terminal().then_some(now);
    let columns = journal_columns(&rows)?;
    let parameters = columns.parameters();
    let journal = client.query_typed(INSERT_JOURNAL, &parameters);
    let started = parse_time(&run.started_at)?;
    let (plan, record) = (Json(&run.plan), Json(&run.record));
    let opened: [(&(dyn ToSql + Sync), Type); 11] = [
        (&run.id, Type::UUID),
        (&run.plan.key, Type::TEXT),
        (&intent, Type::TEXT),
        (&phase, Type::TEXT),
        (&claim.epoch, Type::INT8),
        (&run.digest, Type::TEXT),
        (&plan, Type::JSON),
        (&record, Type::JSON),
        (&started, Type::TIMESTAMPTZ),
        (&ended, Type::TIMESTAMPTZ),
        (&run.by, Type::TEXT),
    ];
    let moved: [(&(dyn ToSql + Sync), Type); 4] = [
        (&phase, Type::TEXT),
        (&claim.epoch, Type::INT8),
        (&ended, Type::TIMESTAMPTZ),
        (&run.id, Type::UUID),
    ];
    let upsert = async {
        if batch.open {
            client.query_typed(INSERT_RUN, &opened).await
        } else {
            client.query_typed(UPDATE_RUN, &moved).await
        }
    };
    let history = async {
        match batch.record {
            Some(before) => record_end(session, batch, before + ms, now, next_rank).await,
            None => Ok(()),
        }
    };
    // Joined, the three go out together and are answered together.
    let (journal, upsert, history) = futures::join!(journal, upsert, history);
    journal.map_err(|e| journal_fault(e, doing))?;
    let upsert = upsert.map_err(|e| errors::fault(e, doing))?;
    history?;
    if upsert.len() == 1 { Ok(()) } else { Err(fenced()) }
}

const INSERT_JOURNAL: &str = "INSERT INTO cofferdam.journal (seq, run, epoch, at, who, entry, previous, hash)
    SELECT * FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),
        pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6), pg_catalog.unnest($7),
        pg_catalog.unnest($8))";
const INSERT_RUN: &str = "INSERT INTO cofferdam.run
    (id, key, intent, phase, epoch, digest, plan, record, started_at, ended_at, started_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING 1";
const UPDATE_RUN: &str = "UPDATE cofferdam.run SET phase = $1, epoch = $2, ended_at = $3
    WHERE id = $4 AND epoch <= $2 RETURNING 1";

/// A clash of `seq` means that somebody else wrote in between.
fn journal_fault(e: tokio_postgres::Error, doing: &str) -> Fault {
    if e.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION) {
        return fenced();
    }
    errors::fault(e, doing)
}

/// Chains the rows onto the journal's end and moves the claim's idea of that end.
fn chain(claim: &mut Claim, run: Uuid, who: &str, at: jiff::Timestamp, whats: Vec<What>) -> Vec<Entry> {
    let mut rows = Vec::with_capacity(whats.len());
    for what in whats {
        claim.seq += 1;
        let entry =
            Entry::chained(claim.seq, run, claim.epoch, at.to_string(), who.to_owned(), what, &claim.hash);
        claim.hash.clone_from(&entry.hash);
        rows.push(entry);
    }
    rows
}

/// The rows by column, as `unnest` takes them.
struct JournalColumns {
    seq: Vec<i64>,
    run: Vec<Uuid>,
    epoch: Vec<i64>,
    at: Vec<jiff::Timestamp>,
    who: Vec<String>,
    entry: Vec<Json<What>>,
    previous: Vec<String>,
    hash: Vec<String>,
}

fn journal_columns(rows: &[Entry]) -> Result<JournalColumns> {
    Ok(JournalColumns {
        seq: rows.iter().map(|r| r.seq).collect(),
        run: rows.iter().map(|r| r.run).collect(),
        epoch: rows.iter().map(|r| r.epoch).collect(),
        at: rows.iter().map(|r| parse_time(&r.at)).collect::<Result<_>>()?,
        who: rows.iter().map(|r| r.who.clone()).collect(),
        entry: rows.iter().map(|r| Json(r.what.clone())).collect(),
        previous: rows.iter().map(|r| r.previous.clone()).collect(),
        hash: rows.iter().map(|r| r.hash.clone()).collect(),
    })
}

impl JournalColumns {
    fn parameters(&self) -> [(&(dyn ToSql + Sync), Type); 8] {
        [
            (&self.seq, Type::INT8_ARRAY),
            (&self.run, Type::UUID_ARRAY),
            (&self.epoch, Type::INT8_ARRAY),
            (&self.at, Type::TIMESTAMPTZ_ARRAY),
            (&self.who, Type::TEXT_ARRAY),
            (&self.entry, Type::JSON_ARRAY),
            (&self.previous, Type::TEXT_ARRAY),
            (&self.hash, Type::TEXT_ARRAY),
        ]
    }
}

/// What the run's end means for the history.
async fn record_end(
    session: &PostgresSession,
    batch: &Batch<'_>,
    ms: u64,
    now: jiff::Timestamp,
    next_rank: i64,
) -> Result<()> {
    let writes = match &batch.run.record {
        Record::Nothing => return Ok(()),
        Record::Applied(applied) => (CODEC.applied)(&Applied {
            rank: next_rank,
            at: now.to_string(),
            ms,
            run: Some(batch.run.id),
            ..applied.as_ref().clone()
        }),
        Record::Undone { rank } => {
            let history = history::read(&session.client).await?;
            let Some(row) = history.into_iter().find(|a| a.rank == *rank && a.in_force()) else {
                return Err(fenced());
            };
            (CODEC.undone)(&Applied { undone_at: Some(now.to_string()), ..row })
        }
    };
    if history::write(&session.client, &writes).await? { Ok(()) } else { Err(fenced()) }
}

/// See [`crate::Session::amend_history`].
pub(super) async fn amend(session: &mut PostgresSession, row: &Applied, note: &str) -> Result<()> {
    let Some(mut claim) = session.claim.clone() else {
        return Err(Fault::Bug("the history was to be amended without the run lock".into()));
    };
    let doing = "amending the history";
    session.client.batch_execute("BEGIN").await.map_err(|e| errors::fault(e, doing))?;
    let result = amend_open(session, &mut claim, row, note).await;
    if result.is_err() {
        let _ = session.client.batch_execute("ROLLBACK").await;
    }
    result?;
    session.client.batch_execute("COMMIT").await.map_err(|e| errors::fault(e, doing))?;
    session.claim = Some(claim);
    Ok(())
}

async fn amend_open(session: &PostgresSession, claim: &mut Claim, row: &Applied, note: &str) -> Result<()> {
    let doing = "amending the history";
    let writes = if row.rank == 0 {
        let rank = history::read(&session.client).await?.iter().map(|a| a.rank).max().unwrap_or(0) + 1;
        (CODEC.applied)(&Applied { rank, ..row.clone() })
    } else {
        amendment(row)
    };
    if !history::write(&session.client, &writes).await? {
        return Err(fenced());
    }
    let noted = vec![What::Noted { text: note.to_owned() }];
    let entries = chain(claim, row.run.unwrap_or(Uuid::nil()), &session.who, now(), noted);
    let columns = journal_columns(&entries)?;
    session
        .client
        .query_typed(INSERT_JOURNAL, &columns.parameters())
        .await
        .map(|_| ())
        .map_err(|e| journal_fault(e, doing))
}

/// The row as the codec would write it anew, in place of the one of the same key.
fn amendment(row: &Applied) -> Vec<Write> {
    let mut writes = Vec::new();
    for write in (CODEC.applied)(row) {
        let Write::Insert(cells) = write else { continue };
        let is_key = |name: &str| CODEC.key.contains(&name);
        let named = || CODEC.columns.iter().map(|c| c.name).zip(cells.iter().cloned());
        writes.push(Write::Update {
            key: CODEC.key.iter().map(|k| named().find(|(name, _)| name == k).and_then(|(_, v)| v)).collect(),
            set: named().filter(|(name, _)| !is_key(name)).collect(),
        });
    }
    writes
}

/// PostgreSQL keeps microseconds: what is hashed must read back as the same text.
fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

pub(super) fn parse_time(text: &str) -> Result<jiff::Timestamp> {
    text.parse().map_err(|e| Fault::Bug(format!("{text:?} is not a time: {e}")))
}

/// A unit variant's name as serde writes it.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
