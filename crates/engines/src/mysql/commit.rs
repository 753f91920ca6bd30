//! One transaction: statements that change rows, journal, run and history together, or nothing.
//!
//! A savepoint of ours stands before the statements. What commits or rolls back from within a script takes it away, so
//! that it shows before anything is written of it.

use std::time::{Duration, Instant};

use uuid::Uuid;

use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::What;
use cofferdam_core::plan::Act;
use cofferdam_core::{Code, Fault, Refusal, failpoint};
use cofferdam_formats::history::{Cells, Context, Write, own};

use super::claim::Claim;
use super::link::{self, Link};
use super::session::MySqlSession;
use super::{connect, errors, history, ledger, perform, reading, record};
use crate::ledger::Ledger;
use crate::{Ability, Batch, Kept, Line, Record, Stopping, Tick};

pub(super) async fn commit(session: &mut MySqlSession, batch: &Batch<'_>) -> Result<()> {
    refuse_what_commits(session, batch)?;
    let result = attempt(session, batch).await;
    if result.is_err() {
        // Whatever failed, the transaction must not stay open. If the connection is gone, so is the transaction.
        let _ = session.link.run("ROLLBACK").await;
        let _ = session.give_settings_back().await;
    }
    session.claim = Some(result?);
    Ok(())
}

/// Such a statement would end the transaction, and stay without a record.
fn refuse_what_commits(session: &MySqlSession, batch: &Batch<'_>) -> Result<()> {
    for line in &batch.lines {
        let Line::Perform { act, step, .. } = line else { continue };
        let commits = match act {
            Act::Sql { sql, .. } => perform::commits_by_itself(sql.as_ref()),
            Act::Check { .. } => false,
            Act::BuildIndex { .. } | Act::Online { .. } => true,
            Act::Park { .. } => return Err(Ability::Park.missing(session.link.flavour.name()).into()),
        };
        if commits {
            return Err(left(&step.title));
        }
    }
    Ok(())
}

fn left(what: &str) -> Fault {
    Refusal::new(Code::TransactionInFile, format!("{what}: it ends the transaction that it runs in"))
        .cause("a statement that commits or rolls back by itself may not fit the record of what it did")
        .help("remove it from the script; then look at what is there with cofferdam status")
        .into()
}

async fn attempt(session: &mut MySqlSession, batch: &Batch<'_>) -> Result<Claim> {
    let Some(mut claim) = session.claim.clone() else {
        return Err(Fault::Bug("a batch was to be committed without the run lock".into()));
    };
    let began = Instant::now();
    let savepoint = format!("cofferdam_{}", Uuid::now_v7().simple());
    let next_rank = begin(session, batch, &claim, &savepoint).await?;
    let mut entries = Vec::new();
    for line in &batch.lines {
        match line {
            Line::Write(what) => entries.push(what.clone()),
            Line::Perform { id, act, step } => {
                if matches!((session.stop)(), Stopping::AtSafePoint | Stopping::AtOnce) {
                    let what = format!("{} was not begun", step.title);
                    return Err(Refusal::new(Code::Interrupted, what).into());
                }
                (session.ticker)(Tick::StepBegan(id.clone()));
                let step_began = Instant::now();
                perform::watched(session, act, step, batch.limits, began).await?;
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
    still_inside(session, &savepoint).await?;
    session.keep_settings().await?;
    let now = record::now();
    let writes = history_writes(session, batch, milliseconds(began), now, next_rank).await?;
    let rows = record::chain(&mut claim, batch.run.id, &session.who, now, entries);
    let (link, tables) = (&mut session.link, &session.tables);
    record::journal(link, tables, &rows).await?;
    record::run(link, tables, batch, claim.epoch, now).await?;
    history::write(link, &own::CODEC, &tables.history, writes.own).await?;
    ledger::write(link, session.ledger.as_ref(), writes.tool).await?;
    if failpoint::hit("atomic.before-commit") {
        return Err(errors::lost("failpoint atomic.before-commit"));
    }
    let committed = link.run("COMMIT").await;
    if failpoint::hit("atomic.commit-sent") {
        return Err(errors::lost("failpoint atomic.commit-sent"));
    }
    // From here on a lost answer leaves open what happened.
    committed.map_err(|e| perform::answer_lost(errors::fault(e, "committing"), "committing"))?;
    if failpoint::hit("atomic.committed") {
        return Err(errors::lost("failpoint atomic.committed"));
    }
    session.give_settings_back().await?;
    Ok(claim)
}

/// Opens the transaction and looks, under locks on the journal's end and the run's row, whether we are still the one
/// that may write. Gives the rank of the history's next row.
async fn begin(session: &mut MySqlSession, batch: &Batch<'_>, claim: &Claim, savepoint: &str) -> Result<i64> {
    let doing = "opening a transaction";
    let statements = batch.lines.iter().any(|l| matches!(l, Line::Perform { .. }));
    let wait = if statements { batch.limits.lock_timeout() } else { Duration::from_secs(10) };
    session.keep_settings().await?;
    let (link, tables) = (&mut session.link, &session.tables);
    connect::lock_wait(link, wait).await.map_err(|e| errors::fault(e, doing))?;
    link.run("START TRANSACTION").await.map_err(|e| errors::fault(e, doing))?;
    let asked = [
        (format!("SELECT epoch, seq FROM {} ORDER BY seq DESC LIMIT 1 FOR UPDATE", tables.journal), vec![]),
        (
            format!("SELECT epoch FROM {} WHERE id = ? FOR UPDATE", tables.run),
            vec![batch.run.id.to_string().into()],
        ),
        (format!("SELECT MAX(epoch) FROM {} WHERE ended_at IS NULL", tables.run), vec![]),
        (format!("SELECT COALESCE(MAX(`rank`), 0) + 1 FROM {}", tables.history), vec![]),
    ];
    let mut answers = Vec::new();
    for (sql, values) in asked {
        let rows = link.rows(&sql, values).await.map_err(|e| errors::fault(e, doing))?;
        answers.push(rows.first().map(|row| (link::number(row, 0), link::number(row, 1))));
    }
    let number = |at: usize| answers.get(at).copied().flatten().and_then(|(first, _)| first);
    let seq = answers.first().copied().flatten().and_then(|(_, seq)| seq).unwrap_or(0);
    let newest = number(0).unwrap_or(0).max(number(2).unwrap_or(0));
    let ours = match number(1) {
        None => batch.open,
        Some(epoch) => !batch.open && (epoch == claim.epoch || (batch.adopt && epoch < claim.epoch)),
    };
    if newest > claim.epoch || seq != claim.seq || !ours {
        return Err(record::fenced());
    }
    session.give_settings_back().await?;
    let place = format!("SAVEPOINT {savepoint}");
    session.link.run(&place).await.map_err(|e| errors::fault(e, doing))?;
    if failpoint::hit("atomic.begun") {
        return Err(errors::lost("failpoint atomic.begun"));
    }
    number(3).ok_or_else(|| Fault::Bug("the fence returned no rank".into()))
}

/// The transaction is the one that was opened: else our savepoint is gone.
async fn still_inside(session: &mut MySqlSession, savepoint: &str) -> Result<()> {
    match session.link.run(&format!("RELEASE SAVEPOINT {savepoint}")).await {
        Ok(_) => Ok(()),
        Err(e) if errors::code(&e) == Some(errors::NO_SAVEPOINT) => Err(left("the script")),
        Err(e) => Err(errors::fault(e, "looking whether the transaction is still open")),
    }
}

/// What is written into the histories.
#[derive(Default)]
struct Writes {
    own: Vec<Write>,
    tool: Vec<Write>,
}

/// What the batch means for the histories: the run's end, or, where the tool has a mark for what is begun, that.
async fn history_writes(
    session: &mut MySqlSession,
    batch: &Batch<'_>,
    ms: u64,
    now: jiff::Timestamp,
    next_rank: i64,
) -> Result<Writes> {
    let Some(before) = batch.record else {
        return Ok(Writes { own: Vec::new(), tool: ledger::marks(session, batch).await? });
    };
    let MySqlSession { link, tables, ledger, .. } = session;
    let ledger = ledger.as_ref();
    let keeps_own = ledger.is_none_or(|ledger| ledger.kept != Kept::Tool);
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
                let of = |ledger: &Ledger, rows: Vec<Cells>| ledger.when_applied(&rows, &row);
                writes.tool = ledger::writes(link, ledger, of).await?;
            }
            if keeps_own {
                writes.own = (own::CODEC.applied)(&row, &Context::nothing())?;
            }
        }
        Record::Undone { rank } => {
            let own = reading::history(link, tables, true).await?;
            let undone = |row: Option<Applied>| {
                let row = row.map(|row| Applied { undone_at: Some(now.to_string()), ..row });
                row.ok_or_else(record::fenced)
            };
            let of_own = || own.iter().find(|a| a.rank == *rank && a.in_force()).cloned();
            if let Some(ledger) = ledger {
                let of = |ledger: &Ledger, rows: Vec<Cells>| {
                    let row = match keeps_own {
                        true => undone(of_own())?,
                        false => undone(ledger.in_force(&rows, &own, *rank, &batch.run.plan.key)?)?,
                    };
                    ledger.when_undone(&rows, &row, &own)
                };
                writes.tool = ledger::writes(link, ledger, of).await?;
            }
            if keeps_own {
                writes.own = (own::CODEC.undone)(&undone(of_own())?, &Context::nothing())?;
            }
        }
    }
    Ok(writes)
}

/// See [`crate::Session::append`].
pub(super) async fn append(session: &mut MySqlSession, what: What) -> Result<()> {
    beside(session, vec![(Uuid::nil(), what)], Beside::Own(Vec::new())).await
}

/// See [`crate::Session::amend_history`].
pub(super) async fn amend(session: &mut MySqlSession, changes: &[(Applied, String)]) -> Result<()> {
    let noted = |(row, note): &(Applied, String)| {
        (row.run.unwrap_or(Uuid::nil()), What::Noted { text: note.clone() })
    };
    beside(session, changes.iter().map(noted).collect(), Beside::Both(changes)).await
}

/// What of the histories is written beside runs.
pub(super) enum Beside<'a> {
    /// This into our own.
    Own(Vec<Write>),
    /// Into the tool's, that these are applied.
    Tool(&'a [Applied]),
    /// These changes, into both.
    Both(&'a [(Applied, String)]),
}

/// Writes beside runs, in one transaction with rows of the journal.
pub(super) async fn beside(
    session: &mut MySqlSession,
    entries: Vec<(Uuid, What)>,
    what: Beside<'_>,
) -> Result<()> {
    let Some(mut claim) = session.claim.clone() else {
        return Err(Fault::Bug("the journal was to be written to without the run lock".into()));
    };
    let doing = "writing to the journal";
    session.link.run("START TRANSACTION").await.map_err(|e| errors::fault(e, doing))?;
    let written = beside_open(session, &mut claim, entries, what).await;
    let ended = match &written {
        Ok(()) => session.link.run("COMMIT").await,
        Err(_) => session.link.run("ROLLBACK").await,
    };
    written?;
    ended.map_err(|e| errors::fault(e, doing))?;
    session.claim = Some(claim);
    Ok(())
}

async fn beside_open(
    session: &mut MySqlSession,
    claim: &mut Claim,
    entries: Vec<(Uuid, What)>,
    what: Beside<'_>,
) -> Result<()> {
    let MySqlSession { link, tables, ledger, .. } = session;
    let ledger = ledger.as_ref();
    let writes = match what {
        Beside::Own(own) => Writes { own, tool: Vec::new() },
        Beside::Tool(rows) => Writes { own: Vec::new(), tool: all_applied(link, ledger, rows).await? },
        Beside::Both([]) => Writes::default(),
        Beside::Both(changes) => {
            let own = reading::history(link, tables, true).await?;
            changed(link, ledger, &own, changes).await?
        }
    };
    let now = record::now();
    let mut rows = Vec::with_capacity(entries.len());
    for (run, what) in entries {
        rows.extend(record::chain(claim, run, &session.who, now, vec![what]));
    }
    record::journal(link, tables, &rows).await?;
    history::write(link, &own::CODEC, &tables.history, writes.own).await?;
    ledger::write(link, ledger, writes.tool).await
}

async fn all_applied(link: &mut Link, ledger: Option<&Ledger>, rows: &[Applied]) -> Result<Vec<Write>> {
    match ledger {
        Some(ledger) if !rows.is_empty() => {
            ledger::writes(link, ledger, |ledger, there| ledger.when_all_applied(there, rows)).await
        }
        _ => Ok(Vec::new()),
    }
}

async fn changed(
    link: &mut Link,
    ledger: Option<&Ledger>,
    own: &[Applied],
    changes: &[(Applied, String)],
) -> Result<Writes> {
    let keeps_own = ledger.is_none_or(|ledger| ledger.kept != Kept::Tool);
    let mut last = own.iter().map(|a| a.rank).max().unwrap_or(0);
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    for (row, _) in changes {
        if row.rank == 0 {
            last += 1;
            let mut row = Applied { rank: last, ..row.clone() };
            row.bundle.kept_in = ledger.map(|ledger| ledger.book.codec.id.to_owned());
            new.push(row);
        } else if !keeps_own || own.iter().any(|a| a.rank == row.rank) {
            changed.push(row.clone());
        } else {
            return Err(record::fenced());
        }
    }
    let mut writes = Writes { own: Vec::new(), tool: all_applied(link, ledger, &new).await? };
    if let Some(ledger) = ledger.filter(|_| !changed.is_empty()) {
        let of = |ledger: &Ledger, rows: Vec<Cells>| ledger.when_changed(rows, &changed, own);
        writes.tool.extend(ledger::writes(link, ledger, of).await?);
    }
    if keeps_own {
        for row in &new {
            writes.own.extend((own::CODEC.applied)(row, &Context::nothing())?);
        }
        for row in &changed {
            writes.own.extend((own::CODEC.amended)(row, &Context::nothing())?);
        }
    }
    Ok(writes)
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
