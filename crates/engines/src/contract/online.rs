//! Online changes: their parts, and what is seen and asked of them from outside.

use cofferdam_core::Code;
use cofferdam_core::Online;
use cofferdam_core::online::{Capture, Gate, Part};
use cofferdam_core::plan::{Act, Probe, Seen};

use super::bench::{Bench, equal, holds, loose, refused, seen, step};
use super::{Broken, Case, Harness, Outcome};
use crate::{Asked, Session};

pub(super) static CASES: &[Case] = &[
    Case { name: "parts are done in order, and the catalog tells which", run: |h| Box::pin(in_order(h)) },
    Case { name: "parts are taken back, and nothing is left", run: |h| Box::pin(taken_back(h)) },
    Case { name: "what is asked from outside is seen and heeded", run: |h| Box::pin(asked(h)) },
    Case { name: "a change that is not there cannot be asked", run: |h| Box::pin(not_there(h)) },
];

/// A table with a key, and a session that holds the run lock; `None`: the engine has no online changes.
async fn table(bench: &Bench<'_>) -> Result<Option<(Box<dyn Session>, Online)>, Broken> {
    let Some((statements, table, clauses)) = &bench.words().online else { return Ok(None) };
    let mut session = bench.claimed("contract").await?;
    for statement in *statements {
        loose(session.as_mut(), statement).await?;
    }
    let change = Online {
        table: table.clone(),
        clauses: (*clauses).into(),
        capture: Capture::Auto,
        gate: Gate::Auto,
        forward: vec![],
        backward: vec![],
        allow_loss: None,
        workers: 1,
        proof: Default::default(),
    };
    Ok(Some((session, change)))
}

async fn perform(
    session: &mut dyn Session,
    change: &Online,
    part: Part,
) -> Result<(), cofferdam_core::Fault> {
    let step = step("1", Act::Online { change: Box::new(change.clone()), part });
    session.perform(&step.act, &step).await
}

async fn probe(session: &mut dyn Session, change: &Online, part: Part) -> Result<Seen, Broken> {
    Ok(session.probe(&Probe::OnlineDone { change: Box::new(change.clone()), part }).await?)
}

/// Does these parts, each of which is not done before and done after it.
async fn through(session: &mut dyn Session, change: &Online, parts: &[Part]) -> Outcome {
    for part in parts {
        holds(&format!("{part:?} is not done yet"), probe(session, change, *part).await? != Seen::Done)?;
        perform(session, change, *part).await?;
        seen(&format!("{part:?}"), &probe(session, change, *part).await?, "done")?;
    }
    Ok(())
}

async fn stage(session: &mut dyn Session) -> Result<Option<Part>, Broken> {
    match session.online().await?.as_slice() {
        [one] => Ok(one.stage),
        other => Err(Broken(format!("one change is open, and not {other:?}"))),
    }
}

async fn in_order(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let Some((mut session, change)) = table(&bench).await? else { return Ok(()) };
    let session = session.as_mut();
    let examined = session.examine(&change).await?;
    equal("obstacles", examined.obstacles, Vec::<String>::new())?;
    holds("it has a key", !examined.key.is_empty())?;
    equal("looking begins nothing", session.online().await?, Vec::new())?;
    for part in Part::WAY {
        through(session, &change, &[*part]).await?;
        if *part != Part::Finish {
            equal("the stage", stage(session).await?, Some(*part))?;
        }
    }
    equal("open at the end", session.online().await?, Vec::new())
}

async fn taken_back(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let Some((mut session, change)) = table(&bench).await? else { return Ok(()) };
    let session = session.as_mut();
    for last in [Part::Create, Part::Capture, Part::Copy, Part::Compare, Part::Swap, Part::Settle] {
        let done: Vec<Part> = Part::WAY.iter().copied().filter(|part| *part <= last).collect();
        through(session, &change, &done).await?;
        for part in done.iter().rev() {
            let Some(back) = part.opposite() else { continue };
            perform(session, &change, back).await?;
            seen(&format!("{part:?} after {back:?}"), &probe(session, &change, *part).await?, "not done")?;
        }
        equal("open", session.online().await?, Vec::new())?;
    }
    Ok(())
}

async fn asked(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let Some((mut session, change)) = table(&bench).await? else { return Ok(()) };
    through(session.as_mut(), &change, &[Part::Create, Part::Capture]).await?;
    // By another session, which has no run lock.
    let mut other = bench.session("contract two").await?;
    let id = change.id();
    for asked in [Asked::Pause, Asked::Throttle { workers: 3 }, Asked::Pace { full: true }, Asked::Cutover] {
        other.control(&id, &asked).await?;
    }
    let state = other.online().await?.pop().ok_or_else(|| Broken("nothing is open".into()))?;
    equal("asked", (state.paused, state.cutover, state.abort), (true, true, false))?;
    equal("speed", (state.workers_limit, state.full_speed), (Some(3), true))?;
    other.control(&id, &Asked::Pace { full: false }).await?;
    other.control(&id, &Asked::Throttle { workers: 0 }).await?;
    other.control(&id, &Asked::Resume).await?;
    let state = other.online().await?.pop().ok_or_else(|| Broken("nothing is open".into()))?;
    equal("resumed", (state.paused, state.workers_limit, state.full_speed), (false, None, false))?;
    other.control(&id, &Asked::Abort).await?;
    refused("the copy", perform(session.as_mut(), &change, Part::Copy).await, Code::Aborted)?;
    perform(session.as_mut(), &change, Part::Release).await?;
    perform(session.as_mut(), &change, Part::Discard).await?;
    // What was asked of it is not asked of the next.
    through(session.as_mut(), &change, &[Part::Create, Part::Capture, Part::Copy]).await
}

async fn not_there(harness: &dyn Harness) -> Outcome {
    let bench = Bench::new(harness).await?;
    let Some((mut session, change)) = table(&bench).await? else { return Ok(()) };
    refused("a pause", session.control(&change.id(), &Asked::Pause).await, Code::NoSuchRun)?;
    Ok(())
}
