//! After the swap: ending the revert window, and taking an online change back.

use uuid::Uuid;

use cofferdam_core::fault::Result;
use cofferdam_core::journal::State;
use cofferdam_core::{Code, Phase, Refusal};
use cofferdam_engines::{Run, Runs, Session};

use crate::drive::Driver;
use crate::guard::{Stop, listen_while_claiming};
use crate::online::change_of;
use crate::{Policy, RunSummary, SharedReporter, Summary, resume};

/// Ends the revert window of an online change: the old table goes, and with it the way back.
///
/// # Errors
/// `NoSuchRun`, and `RunUnfinished` for one whose tables are not swapped yet.
pub async fn finalize(
    session: &mut dyn Session,
    id: Uuid,
    policy: &Policy,
    reporter: SharedReporter,
    stop: &Stop,
) -> Result<Summary> {
    let not_swapped = |phase| {
        Refusal::new(Code::RunUnfinished, format!("run {id} is in {phase:?}"))
            .cause("its tables are not swapped, so there is no revert window to end")
            .help("cofferdam status shows how far it is")
    };
    // Without waiting for whoever is at work on it.
    let run = online_run(session, id).await?;
    if before_the_swap(run.phase) {
        return Err(not_swapped(run.phase).into());
    }
    let run = claimed(session, id, policy, &reporter, stop).await?;
    match run.phase {
        Phase::Watching | Phase::Contracting => {
            // A person's word is newer than what a watch found that is gone.
            session.answer_back(id).await?;
            go_on(session, run, policy, true, &reporter, stop).await
        }
        Phase::Done => nothing_to_do(session).await,
        Phase::RolledBack | Phase::Refused => Err(taken_back_before(&run).into()),
        phase => Err(not_swapped(phase).into()),
    }
}

/// Takes an online change back, before its swap or after it. After it the rows that were written since are kept. A run
/// that was done directly can be taken back while it is not ended: one that was stopped for a person, or cut off.
///
/// # Errors
/// `NoSuchRun`, `NoWayBack` once the window has ended, and `RollbackUnsafe` where rows would be lost: then the
/// tables stay swapped, and the run is in its revert window as before.
pub async fn take_back(
    session: &mut dyn Session,
    id: Uuid,
    policy: &Policy,
    reporter: SharedReporter,
    stop: &Stop,
) -> Result<Summary> {
    let run = one_run(session, id).await?;
    refuse_direct_that_ended(&run)?;
    if before_the_swap(run.phase)
        && let Some(holder) = session.holder().await?
    {
        let help = match change_of(&run) {
            Some(_) => format!("ask it to give the change up: cofferdam abort {id}"),
            None => "stop it first, or wait for its end".to_owned(),
        };
        return Err(Refusal::new(Code::LockHeldByOther, format!("a runner is at work on run {id}"))
            .cause(format!("it is {holder}"))
            .help(help)
            .into());
    }
    claim_for(session, policy, &reporter, stop).await?;
    let mut run = one_run(session, id).await?;
    refuse_direct_that_ended(&run)?;
    match run.phase {
        Phase::RolledBack | Phase::Refused => return nothing_to_do(session).await,
        Phase::Done | Phase::Contracting => {
            return Err(Refusal::new(Code::NoWayBack, format!("run {id} cannot be taken back"))
                .cause("its revert window was ended, and the old table is gone")
                .help("change the table the other way round with cofferdam alter, or restore a backup")
                .into());
        }
        _ => {}
    }
    let state = resume::take_over(session, &mut run, &policy.who).await?;
    let driver = Driver::new(session, SharedReporter::clone(&reporter), stop.clone(), run, state, true);
    let summary = if driver.run.phase == Phase::RollingBack {
        driver.drive().await?
    } else {
        driver.cancel("a person asked for it", policy.why_back.as_deref()).await?
    };
    session.release().await?;
    Ok(Summary { runs: vec![summary], ..Summary::default() })
}

async fn claimed(
    session: &mut dyn Session,
    id: Uuid,
    policy: &Policy,
    reporter: &SharedReporter,
    stop: &Stop,
) -> Result<Run> {
    claim_for(session, policy, reporter, stop).await?;
    online_run(session, id).await
}

async fn claim_for(
    session: &mut dyn Session,
    policy: &Policy,
    reporter: &SharedReporter,
    stop: &Stop,
) -> Result<()> {
    listen_while_claiming(session, reporter, stop);
    session.claim(policy.lock_wait).await
}

/// From the beginning of the run to its swap.
fn before_the_swap(phase: Phase) -> bool {
    Phase::Requested.way_to(phase).is_some() && phase.way_to(Phase::CuttingOver).is_some()
}

async fn one_run(session: &mut dyn Session, id: Uuid) -> Result<Run> {
    let Some(run) = session.runs(Runs::One(id)).await?.pop() else {
        return Err(Refusal::new(Code::NoSuchRun, format!("there is no run {id}"))
            .help("cofferdam history --runs")
            .into());
    };
    Ok(run)
}

async fn online_run(session: &mut dyn Session, id: Uuid) -> Result<Run> {
    let run = one_run(session, id).await?;
    if change_of(&run).is_none() {
        return Err(no_online_change(&run).into());
    }
    Ok(run)
}

fn refuse_direct_that_ended(run: &Run) -> Result<()> {
    let is_foreign = crate::foreign::is_foreign(run);
    if change_of(run).is_none() && (run.phase.terminal() || run.phase == Phase::Contracting || is_foreign) {
        return Err(no_online_change(run).into());
    }
    Ok(())
}

fn no_online_change(run: &Run) -> Refusal {
    Refusal::new(Code::NoSuchRun, format!("run {} is no online change", run.id))
        .cause(format!("it is that of {} and was done directly", run.plan.key))
        .help("cofferdam rollback --steps 1 takes the last migration back")
}

async fn nothing_to_do(session: &mut dyn Session) -> Result<Summary> {
    session.release().await?;
    Ok(Summary::default())
}

fn taken_back_before(run: &Run) -> Refusal {
    Refusal::new(Code::NoSuchRun, format!("run {} was taken back", run.id))
        .cause("nothing of it is there that could be finished")
        .help(format!("cofferdam history {}", run.id))
}

/// Begins a run, or goes on with it, and gives the lock back.
pub(crate) async fn go_on(
    session: &mut dyn Session,
    mut run: Run,
    policy: &Policy,
    finalize: bool,
    reporter: &SharedReporter,
    stop: &Stop,
) -> Result<Summary> {
    session.reset().await?;
    let begun = run.phase != Phase::Requested;
    let state =
        if begun { resume::take_over(session, &mut run, &policy.who).await? } else { State::default() };
    let mut driver = Driver::new(session, SharedReporter::clone(reporter), stop.clone(), run, state, begun)
        .following(policy);
    driver.finalize = finalize;
    driver.save_first(policy).await?;
    let summary = driver.drive().await?;
    session.release().await?;
    Ok(Summary { runs: vec![summary], ..Summary::default() })
}

/// A run at which nothing was done.
pub(crate) fn summary_of(run: &Run) -> RunSummary {
    RunSummary {
        run: run.id,
        key: run.plan.key.clone(),
        description: run.plan.description.clone(),
        phase: run.phase,
        resumed: true,
        steps: 0,
        ms: 0,
        guard: None,
    }
}
