//! A runner whose time is over writes nothing.

use std::time::Duration;

use cofferdam_core::journal::{What, first_break};
use cofferdam_core::{Code, Phase};

use super::bench::{Bench, batch, equal, holds, loose, moves, opening, refused, run_of, steps, whole};
use super::{Broken, Case, Harness, Outcome};
use crate::{Batch, Line, Run, Runs, Session};

pub(super) static CASES: &[Case] = &[
    Case { name: "a run is taken over by who adopts it", run: |h| Box::pin(adopted(h)) },
    Case { name: "a run is not taken over without being adopted", run: |h| Box::pin(not_adopted(h)) },
    Case { name: "who lost the run writes nothing to it", run: |h| Box::pin(stale_run(h)) },
    Case { name: "who lost the lock opens no run after others wrote", run: |h| Box::pin(stale_opening(h)) },
    Case {
        name: "who lost the lock amends nothing after others wrote",
        run: |h| Box::pin(stale_amending(h)),
    },
    Case { name: "a run is opened once", run: |h| Box::pin(opened_once(h)) },
];

fn unfinished(words: &[&str]) -> Run {
    Run { phase: Phase::Expanding, ..run_of("1", words) }
}

/// The rest of a run that was opened: its steps and its end.
fn rest(run: &Run) -> Result<Batch<'_>, Broken> {
    let mut lines = steps(run);
    lines.extend(moves(Phase::Expanding, Phase::Done)?);
    Ok(Batch { record: Some(0), ..batch(run, lines) })
}

async fn epoch_of(session: &mut dyn Session, run: &Run) -> Result<i64, Broken> {
    let runs = session.runs(Runs::One(run.id)).await?;
    Ok(runs.first().ok_or_else(|| Broken("the run is not there".into()))?.epoch)
}

/// Two sessions that both believe to hold the lock.
async fn two_claims(bench: &Bench<'_>) -> Result<(Box<dyn Session>, Box<dyn Session>), Broken> {
    let mut stale = bench.with_table().await?;
    loose(stale.as_mut(), bench.words().lose_lock).await?;
    let fresh = bench.claimed("contract two").await?;
    Ok((stale, fresh))
}

async fn adopted(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut first = bench.with_table().await?;
    let mut run = unfinished(&[bench.words().insert_three]);
    first.commit(&opening(&run)?).await?;
    let before = epoch_of(first.as_mut(), &run).await?;
    drop(first);

    let mut second = bench.session("contract two").await?;
    let found = second.runs(Runs::Unfinished).await?;
    equal(
        "unfinished runs",
        found.iter().map(|r| (r.id, r.phase)).collect(),
        vec![(run.id, Phase::Expanding)],
    )?;
    second.claim(Duration::from_secs(20)).await?;
    run.phase = Phase::Done;
    second.commit(&Batch { adopt: true, ..rest(&run)? }).await?;
    holds("the epoch grew", epoch_of(second.as_mut(), &run).await? > before)?;
    equal("unfinished runs", second.runs(Runs::Unfinished).await?, vec![])?;
    equal("history", second.history().await?.len(), 1)?;
    equal("break", first_break(&second.journal(None).await?), None)
}

async fn not_adopted(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut first = bench.with_table().await?;
    let run = unfinished(&[bench.words().insert_three]);
    first.commit(&opening(&run)?).await?;
    first.release().await?;
    let mut second = bench.claimed("contract two").await?;
    refused("going on", second.commit(&rest(&run)?).await, Code::Fenced)?;
    equal("history", second.history().await?, vec![])?;
    // The one that opened it gets a new epoch with a new claim, so it must adopt its own run too.
    second.release().await?;
    first.claim(Duration::ZERO).await?;
    first.commit(&Batch { adopt: true, ..rest(&run)? }).await?;
    equal("history", first.history().await?.len(), 1)
}

async fn stale_run(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let mut stale = bench.with_table().await?;
    let run = unfinished(&[words.insert_three]);
    stale.commit(&opening(&run)?).await?;
    loose(stale.as_mut(), words.lose_lock).await?;
    let mut fresh = bench.claimed("contract two").await?;
    let note = vec![Line::Write(What::Noted { text: "taken over".into() })];
    fresh.commit(&Batch { adopt: true, ..batch(&run, note) }).await?;
    let journal = fresh.journal(None).await?;

    let done = Run { phase: Phase::Done, ..run.clone() };
    refused("the old runner", stale.commit(&rest(&done)?).await, Code::Fenced)?;
    refused("adopting back", stale.commit(&Batch { adopt: true, ..rest(&done)? }).await, Code::Fenced)?;
    equal("rows", bench.count(stale.as_mut()).await?, 0)?;
    equal("history", fresh.history().await?, vec![])?;
    equal("journal", fresh.journal(None).await?, journal)?;
    equal("unfinished", fresh.runs(Runs::Unfinished).await?.len(), 1)?;

    fresh.commit(&rest(&done)?).await?;
    equal("rows", bench.count(fresh.as_mut()).await?, 3)
}

async fn stale_opening(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let words = bench.words();
    let (mut stale, mut fresh) = two_claims(&bench).await?;
    fresh.commit(&whole(&run_of("1", &[words.insert_three]))?).await?;
    let late = run_of("2", &[words.insert_three]);
    refused("the old runner", stale.commit(&whole(&late)?).await, Code::Fenced)?;
    equal("rows", bench.count(fresh.as_mut()).await?, 3)?;
    equal("runs", fresh.runs(Runs::Last(9)).await?.len(), 1)?;
    equal("history", fresh.history().await?.len(), 1)?;
    equal("break", first_break(&fresh.journal(None).await?), None)
}

async fn stale_amending(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let (mut stale, mut fresh) = two_claims(&bench).await?;
    fresh.commit(&whole(&run_of("1", &[bench.words().insert_three]))?).await?;
    let row = super::bench::applied("2");
    refused("the old runner", stale.amend_history(&[(row, "late".into())]).await, Code::Fenced)?;
    equal("history", fresh.history().await?.len(), 1)?;
    equal("break", first_break(&fresh.journal(None).await?), None)
}

async fn opened_once(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let mut session = bench.with_table().await?;
    let run = unfinished(&[bench.words().insert_three]);
    refused("a run that was never opened", session.commit(&rest(&run)?).await, Code::Fenced)?;
    session.commit(&opening(&run)?).await?;
    refused("opening it again", session.commit(&opening(&run)?).await, Code::Fenced)?;
    equal("runs", session.runs(Runs::Last(9)).await?.len(), 1)?;
    equal("break", first_break(&session.journal(None).await?), None)
}
