//! One transaction of the fake: statements, journal, run and history together, or nothing.

use std::time::Instant;

use uuid::Uuid;

use cofferdam_core::fault::{Place, Question, Result};
use cofferdam_core::history::Applied;
use cofferdam_core::journal::{Entry, What};
use cofferdam_core::park::Deed;
use cofferdam_core::plan::{Act, Step};
use cofferdam_core::{Code, Fault, Refusal};

use super::faults::{FakeFault, FakePlace};
use super::language::{self, Content, Settings};
use super::locking::Claim;
use super::park;
use super::server::{Own, Server};
use super::session::{FakeSession, again, connection_lost, refused};
use crate::{Batch, Line, Record, Stopping, Tick};

/// See [`crate::Session::commit`].
pub(super) async fn commit(session: &mut FakeSession, batch: &Batch<'_>) -> Result<()> {
    let Some(mut claim) = session.claim.clone() else {
        return Err(Fault::Bug("a batch was to be committed without the run lock".into()));
    };
    let began = Instant::now();
    interrupted(session, FakePlace::Begin).await?;
    let (mut content, mut own) = {
        let server = session.database.server();
        fence(&server, batch, &claim)?;
        (server.content.clone(), server.own.clone().unwrap_or_default())
    };
    let mut settings = session.settings.clone();
    let mut performed = Vec::new();
    let mut entries = Vec::new();
    for line in &batch.lines {
        match line {
            Line::Write(what) => entries.push(what.clone()),
            Line::Perform { id, act: done, step } => {
                if matches!((session.stop)(), Stopping::AtSafePoint | Stopping::AtOnce) {
                    return Err(refused(Code::Interrupted));
                }
                (session.ticker)(Tick::StepBegan(id.clone()));
                interrupted(session, FakePlace::Statement).await?;
                session.table_lock(&done.text())?;
                if done.text() == "commit" {
                    return Err(ended_by_script(session, content, performed));
                }
                if let Act::Park { parking, deed } = done {
                    park::perform(&mut content, &mut own, batch, parking, *deed)?;
                } else {
                    act(&mut content, &mut settings, done, step)?;
                }
                performed.push(done.text());
                if session.observed {
                    (session.ticker)(Tick::Deed(id.clone(), Box::default()));
                }
                (session.ticker)(Tick::StepEnded(id.clone(), 0));
                entries.push(What::Began { step: id.clone() });
                entries.push(What::Ended { step: id.clone(), how: "performed".into(), ms: Some(0) });
            }
        }
    }
    chain(&mut own, &mut claim, batch.run.id, &session.who, entries);
    write_run(&mut own, batch, claim.epoch);
    if let Some(before) = batch.record {
        let ms = before + u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        record(&mut own, batch, ms)?;
    }
    let fault = session.planned(FakePlace::Commit);
    match fault {
        Some(FakeFault::Again(code)) => return Err(again(code)),
        Some(FakeFault::Refused(code)) => return Err(refused(code)),
        Some(FakeFault::Hang) => return Err(session.hang(None).await),
        Some(FakeFault::Orphaned) => {
            session.lose_unnoticed(None);
            return Err(not_known());
        }
        Some(FakeFault::ConnectionLost | FakeFault::Halfway) => {
            session.lose();
            return Err(not_known());
        }
        Some(FakeFault::AnswerLost) | None => {}
    }
    {
        let mut server = session.database.server();
        fence(&server, batch, session.claim.as_ref().unwrap_or(&claim))?;
        server.content = content;
        server.own = Some(own);
        if performed.iter().any(|statement| statement == "forget lock") {
            server.lose_lock(session.pid);
        }
        server.performed.append(&mut performed);
    }
    session.settings = settings;
    session.claim = Some(claim);
    if fault.is_some() {
        session.lose();
        return Err(not_known());
    }
    Ok(())
}

/// Does an act; used within a transaction and outside of one.
pub(super) fn act(content: &mut Content, settings: &mut Settings, act: &Act, step: &Step) -> Result<()> {
    let place = || Place { path: step.path.clone(), source: None, at: step.at };
    let failed = |said: String| {
        Refusal::new(Code::StatementFailed, format!("step {} failed: {}", step.id, step.title))
            .cause(said)
            .at(place())
    };
    match act {
        Act::Sql { sql, copy_rows } => {
            language::perform(content, settings, sql, copy_rows.as_deref()).map_err(failed)?;
        }
        Act::BuildIndex { sql, .. } => language::perform(content, settings, sql, None).map_err(failed)?,
        // Foreign keys, which the fake has none of.
        Act::Park { deed: Deed::Validate, .. } => {}
        Act::Online { .. } | Act::Park { .. } => {
            return Err(failed("a part of an online change is done outside of any transaction".into()).into());
        }
        Act::Check { queries } => {
            for query in queries {
                let found = language::query(content, settings, query).map_err(failed)?;
                if !found.rows.is_empty() {
                    let refusal =
                        Refusal::new(Code::CheckFailed, "a check returned rows, and must return none")
                            .cause(query.clone())
                            .note(format!("{} rows", found.rows.len()));
                    return Err(refusal.at(place()).into());
                }
            }
        }
    }
    Ok(())
}

/// A place within an open transaction: whatever goes wrong here, nothing of the batch happened.
async fn interrupted(session: &mut FakeSession, place: FakePlace) -> Result<()> {
    match session.planned(place) {
        None => Ok(()),
        Some(FakeFault::Again(code)) => Err(again(code)),
        Some(FakeFault::Refused(code)) => Err(refused(code)),
        Some(FakeFault::Hang) => Err(session.hang(None).await),
        Some(FakeFault::Orphaned) => {
            session.lose_unnoticed(None);
            Err(connection_lost().into())
        }
        Some(FakeFault::ConnectionLost | FakeFault::AnswerLost | FakeFault::Halfway) => {
            session.lose();
            Err(connection_lost().into())
        }
    }
}

/// Looks whether we are still the one that may write.
fn fence(server: &Server, batch: &Batch<'_>, claim: &Claim) -> Result<()> {
    let Some(own) = &server.own else { return Err(fenced()) };
    let ours = match own.runs.iter().find(|run| run.id == batch.run.id) {
        None => batch.open,
        Some(run) => !batch.open && (run.epoch == claim.epoch || (batch.adopt && run.epoch < claim.epoch)),
    };
    let end = own.journal.last().map_or(0, |entry| entry.seq);
    if own.newest_epoch() > claim.epoch || !ours || end != claim.seq { Err(fenced()) } else { Ok(()) }
}

fn fenced() -> Fault {
    Refusal::new(Code::Fenced, "another runner has taken over")
        .cause("the database holds a newer epoch than ours, so nothing was written")
        .into()
}

fn not_known() -> Fault {
    Fault::Unknown(Question {
        what: "whether the transaction was committed".into(),
        look_at: "the run's row".into(),
    })
}

/// The script committed by itself: what it did so far stays, and nothing of ours is written.
fn ended_by_script(session: &FakeSession, content: Content, mut performed: Vec<String>) -> Fault {
    let mut server = session.database.server();
    server.content = content;
    server.performed.append(&mut performed);
    Refusal::new(Code::TransactionInFile, "the script ended the transaction that it ran in").into()
}

fn chain(own: &mut Own, claim: &mut Claim, run: Uuid, who: &str, whats: Vec<What>) {
    for what in whats {
        claim.seq += 1;
        let entry = Entry::chained(claim.seq, run, claim.epoch, now(), who.to_owned(), what, &claim.hash);
        claim.hash.clone_from(&entry.hash);
        own.journal.push(entry);
    }
}

fn write_run(own: &mut Own, batch: &Batch<'_>, epoch: i64) {
    let ended_at = batch.run.phase.terminal().then(now);
    match own.runs.iter_mut().find(|run| run.id == batch.run.id) {
        Some(run) => {
            run.phase = batch.run.phase;
            run.epoch = epoch;
            run.ended_at = ended_at;
        }
        None => {
            let mut run = batch.run.clone();
            run.epoch = epoch;
            run.ended_at = ended_at;
            own.runs.push(run);
        }
    }
}

fn record(own: &mut Own, batch: &Batch<'_>, ms: u64) -> Result<()> {
    match &batch.run.record {
        Record::Nothing => {}
        Record::Applied(applied) => {
            let mut row = applied.as_ref().clone();
            row.at = now();
            row.ms = ms;
            row.run = Some(batch.run.id);
            add(own, row);
        }
        Record::Undone { rank } => {
            let row = own.history.iter_mut().find(|row| row.rank == *rank && row.in_force());
            row.ok_or_else(fenced)?.undone_at = Some(now());
        }
    }
    Ok(())
}

fn add(own: &mut Own, mut row: Applied) {
    row.rank = own.history.iter().map(|row| row.rank).max().unwrap_or(0) + 1;
    own.history.push(row);
}

/// See [`crate::Session::amend_history`].
pub(super) fn amend(session: &mut FakeSession, changes: &[(Applied, String)]) -> Result<()> {
    let Some(mut claim) = session.claim.clone() else {
        return Err(Fault::Bug("the history was to be amended without the run lock".into()));
    };
    let mut server = session.database.server();
    let Some(own) = &mut server.own else { return Err(fenced()) };
    if own.newest_epoch() > claim.epoch || own.journal.last().map_or(0, |e| e.seq) != claim.seq {
        return Err(fenced());
    }
    // All of it or nothing.
    let there = |row: &Applied| row.rank == 0 || own.history.iter().any(|found| found.rank == row.rank);
    if !changes.iter().all(|(row, _)| there(row)) {
        return Err(fenced());
    }
    for (row, note) in changes {
        if row.rank == 0 {
            add(own, row.clone());
        } else if let Some(found) = own.history.iter_mut().find(|found| found.rank == row.rank) {
            found.description.clone_from(&row.description);
            found.checksum.clone_from(&row.checksum);
            found.undone_at.clone_from(&row.undone_at);
        }
        let noted = vec![What::Noted { text: note.clone() }];
        chain(own, &mut claim, row.run.unwrap_or(Uuid::nil()), &session.who, noted);
    }
    drop(server);
    session.claim = Some(claim);
    Ok(())
}

/// See [`crate::Session::append`].
pub(super) fn append(session: &mut FakeSession, what: What) -> Result<()> {
    let Some(mut claim) = session.claim.clone() else {
        return Err(Fault::Bug("the journal was to be written to without the run lock".into()));
    };
    let mut server = session.database.server();
    let Some(own) = &mut server.own else { return Err(fenced()) };
    if own.newest_epoch() > claim.epoch || own.journal.last().map_or(0, |e| e.seq) != claim.seq {
        return Err(fenced());
    }
    chain(own, &mut claim, Uuid::nil(), &session.who, vec![what]);
    drop(server);
    session.claim = Some(claim);
    Ok(())
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}
