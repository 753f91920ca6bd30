//! A batch happens whole or not at all.

use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_core::journal::{What, first_break, fold};
use cofferdam_core::plan::Act;
use cofferdam_core::{Code, Fault, Limits, Phase};

use super::bench::{Bench, PATH, WHO, equal, holds, loose, refused, run_of, run_of_acts, whole};
use super::{Broken, Case, Harness, Outcome};
use crate::{Batch, Runs, Session, Tick};

pub(super) static CASES: &[Case] = &[
    Case { name: "a batch writes statements, journal, run and history", run: |h| Box::pin(together(h)) },
    Case { name: "a failing statement leaves nothing of its batch", run: |h| Box::pin(nothing_left(h)) },
    Case { name: "a failing check leaves nothing of its batch", run: |h| Box::pin(failing_check(h)) },
    Case { name: "the journal's chain holds over success and failure", run: |h| Box::pin(chain(h)) },
    Case { name: "steps of a batch are told while they happen", run: |h| Box::pin(ticks(h)) },
    Case {
        name: "a script that ends the transaction is refused, unrecorded",
        run: |h| Box::pin(commit_inside(h)),
    },
    Case {
        name: "a table that somebody else holds is not waited for long",
        run: |h| Box::pin(held_table(h)),
    },
    Case { name: "rows after a copy statement arrive", run: |h| Box::pin(copied(h)) },
];

async fn together(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let (mut session, statements) = bench.making_table(&[words.insert_three, words.double_row]).await?;
    let run = run_of("1", &statements);
    session.commit(&whole(&run)?).await?;
    // By another session: what is committed is there for all.
    drop(session);
    let mut session = bench.session("contract two").await?;
    equal("rows", bench.count(session.as_mut()).await?, 4)?;

    let runs = session.runs(Runs::One(run.id)).await?;
    let stored = runs.first().ok_or_else(|| Broken("the run is not there".into()))?;
    equal("runs", runs.len(), 1)?;
    equal("plan", &stored.plan, &run.plan)?;
    equal("digest of the stored plan", stored.plan.digest(), run.digest.clone())?;
    equal("digest", &stored.digest, &run.digest)?;
    equal("phase", stored.phase, Phase::Done)?;
    equal("record", &stored.record, &run.record)?;
    equal("by", &stored.by, &run.by)?;
    holds("the run ended", stored.ended_at.is_some())?;
    holds("the run has an epoch", stored.epoch > 0)?;

    let entries = session.journal(Some(run.id)).await?;
    equal("break", first_break(&entries), None)?;
    let state = fold(entries.iter().map(|e| &e.what)).map_err(|e| Broken(e.to_string()))?;
    equal("phase of the journal", state.phase, Phase::Done)?;
    let spoken: Vec<String> = entries
        .iter()
        .filter_map(|e| match &e.what {
            What::Began { step } => Some(format!("began {step}")),
            What::Ended { step, how, ms } => {
                Some(format!("ended {step} {how}{}", if ms.is_none() { " unmeasured" } else { "" }))
            }
            _ => None,
        })
        .collect();
    let said = |n| [format!("began {n}"), format!("ended {n} performed")];
    equal("steps", spoken, (1..=statements.len()).flat_map(said).collect())?;
    for entry in &entries {
        equal("epoch of a row", entry.epoch, stored.epoch)?;
        holds(&format!("{} names {WHO}", entry.who), entry.who.contains(WHO))?;
        holds("a row has its time", entry.at.parse::<jiff::Timestamp>().is_ok())?;
    }

    let history = session.history().await?;
    let row = history.first().ok_or_else(|| Broken("the history is empty".into()))?;
    let expected = super::bench::applied("1");
    equal("history", history.len(), 1)?;
    equal("rank", row.rank, 1)?;
    equal("run of the history", row.run, Some(run.id))?;
    equal("version", &row.version, &expected.version)?;
    equal("checksum", &row.checksum, &expected.checksum)?;
    equal("rollback bundle", &row.bundle, &expected.bundle)?;
    holds("the row was written today", row.at != expected.at && row.at.parse::<jiff::Timestamp>().is_ok())
}

/// No table of the dictionary, or no row in it, no run, no journal and no history.
async fn nothing_there(bench: &Bench<'_>, session: &mut dyn Session) -> Outcome {
    if bench.can().transactional_ddl {
        let facts = session.facts(std::slice::from_ref(&bench.words().table)).await?;
        equal("the table is there", facts.table(&bench.words().table).map(|t| t.exists), Some(false))?;
    } else {
        equal("rows", bench.count(session).await?, 0)?;
    }
    equal("runs", session.runs(Runs::Last(9)).await?, vec![])?;
    equal("journal", session.journal(None).await?, vec![])?;
    equal("history", session.history().await?, vec![])
}

async fn nothing_left(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let (mut session, statements) = bench.making_table(&[words.insert_three, words.failing.0]).await?;
    let run = run_of("1", &statements);
    let refusal = refused("the batch", session.commit(&whole(&run)?).await, Code::StatementFailed)?;
    let text = format!("{refusal} {}", refusal.notes.join(" "));
    holds(&format!("{text:?} has the server's words {:?}", words.failing.1), text.contains(words.failing.1))?;
    let place = refusal.place.ok_or_else(|| Broken("the refusal does not say where".into()))?;
    equal("file", place.path.as_str(), PATH)?;
    equal("line", place.at.line, 3)?;
    nothing_there(&bench, session.as_mut()).await?;
    // The session is fit for the next batch.
    let run = run_of("1", &statements[..statements.len() - 1]);
    session.commit(&whole(&run)?).await?;
    equal("history", session.history().await?.len(), 1)?;
    if bench.can().transactional_ddl {
        return Ok(());
    }
    // What would end the transaction is refused before anything of the batch is done.
    let run = run_of("2", &[words.insert_three, words.add_column]);
    refused("a change of the schema", session.commit(&whole(&run)?).await, Code::TransactionInFile)?;
    equal("rows", bench.count(session.as_mut()).await?, 3)?;
    equal("runs", session.runs(Runs::Last(9)).await?.len(), 1)
}

async fn failing_check(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let (mut session, making) = bench.making_table(&[]).await?;
    let acts = |queries: &[&str]| {
        let mut acts: Vec<Act> = making.iter().map(|sql| Act::sql(*sql)).collect();
        acts.extend([
            Act::Check { queries: vec![words.select.into()] },
            Act::sql(words.insert_three),
            Act::Check { queries: queries.iter().map(|q| (*q).to_owned()).collect() },
        ]);
        acts
    };
    let run = run_of_acts("1", acts(&[words.select]));
    let refusal = refused("the batch", session.commit(&whole(&run)?).await, Code::CheckFailed)?;
    holds("rows are shown", !refusal.notes.is_empty())?;
    nothing_there(&bench, session.as_mut()).await?;
    // The empty table passed the first check within its own transaction; without the second all is well.
    let run = run_of_acts("1", acts(&[]));
    session.commit(&whole(&run)?).await?;
    equal("rows", bench.count(session.as_mut()).await?, 3)
}

async fn chain(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let (mut session, making) = bench.making_table(&[words.insert_three]).await?;
    session.commit(&whole(&run_of("1", &making))?).await?;
    let failing = run_of("2", &[words.double_row, words.failing.0]);
    refused("the second run", session.commit(&whole(&failing)?).await, Code::StatementFailed)?;
    session.commit(&whole(&run_of("2", &[words.double_row]))?).await?;
    session.release().await?;
    drop(session);
    let mut session = bench.session("contract two").await?;
    session.claim(std::time::Duration::from_secs(20)).await?;
    session.commit(&whole(&run_of("3", &[words.insert_three]))?).await?;
    let entries = session.journal(None).await?;
    equal("break", first_break(&entries), None)?;
    let epochs: Vec<i64> = entries.iter().map(|e| e.epoch).collect();
    holds(&format!("{epochs:?} grow"), epochs.is_sorted() && epochs.first() < epochs.last())?;
    let ranks: Vec<i64> = session.history().await?.iter().map(|row| row.rank).collect();
    equal("ranks", ranks, vec![1, 2, 3])
}

async fn ticks(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let ears = heard.clone();
    session.listen(
        Arc::new(move |tick| {
            let word = match tick {
                Tick::StepBegan(id) => format!("began {id}"),
                Tick::StepEnded(id, _) => format!("ended {id}"),
                _ => return,
            };
            ears.lock().unwrap_or_else(PoisonError::into_inner).push(word);
        }),
        Arc::new(|| false.into()),
    );
    session.commit(&whole(&run_of("1", &[words.insert_three, words.double_row]))?).await?;
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    equal("ticks", heard, ["began 1", "ended 1", "began 2", "ended 2"].map(String::from).into())
}

async fn commit_inside(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    let run = run_of("1", &[words.insert_three, words.end_transaction, words.insert_three]);
    refused("the batch", session.commit(&whole(&run)?).await, Code::TransactionInFile)?;
    equal("runs", session.runs(Runs::Last(9)).await?, vec![])?;
    equal("journal", session.journal(None).await?, vec![])?;
    equal("history", session.history().await?, vec![])?;
    // And the session can go on.
    session.commit(&whole(&run_of("1", &[words.insert_three]))?).await?;
    equal("break", first_break(&session.journal(None).await?), None)
}

async fn held_table(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut session = bench.with_table().await?;
    let held = harness.hold_table(&bench.target).await?;
    let word = if bench.can().transactional_ddl { words.add_column } else { words.insert_three };
    let run = run_of("1", &[word]);
    let limits = Limits { lock_timeout_ms: 100, ..Limits::default() };
    let result = session.commit(&Batch { limits, ..whole(&run)? }).await;
    let Err(Fault::Again { why, .. }) = result else {
        return Err(Broken(format!("a change of a held table: {result:?}")));
    };
    equal("code", why.code, Code::LockNotObtained)?;
    equal("runs", session.runs(Runs::Last(9)).await?, vec![])?;
    equal("journal", session.journal(None).await?, vec![])?;
    drop(held);
    // The server may take a moment to see that the other client is gone.
    let limits = Limits { lock_timeout_ms: 20_000, ..Limits::default() };
    session.commit(&Batch { limits, ..whole(&run)? }).await?;
    equal("history", session.history().await?.len(), 1)
}

async fn copied(harness: &dyn Harness) -> Outcome {
    let Some((sql, rows)) = harness.words().copy_three else { return Ok(()) };
    let bench = Bench::new(harness).await?;
    let mut session = bench.with_table().await?;
    let act = Act::Sql { sql: sql.into(), copy_rows: Some(rows.into()) };
    session.commit(&whole(&run_of_acts("1", vec![act]))?).await?;
    equal("rows", bench.count(session.as_mut()).await?, 3)?;
    loose(session.as_mut(), bench.words().insert_three).await?;
    equal("rows", bench.count(session.as_mut()).await?, 6)
}
