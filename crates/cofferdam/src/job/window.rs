//! After the swap: how long it can be taken back, `--work finalize`, and what is this object's own.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use cofferdam_api::conditions::State;
use cofferdam_api::{ConditionType, Reason, Stage};
use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::park::{self, Parked};
use cofferdam_core::{Code, Phase, Refusal};
use cofferdam_engines::{Run, Runs, Session};
use cofferdam_operator::outcome::{Ended, Outcome};
use cofferdam_runner::{OpenChange, Policy, SharedReporter, open_changes};

use super::Job;
use super::apply::{complete, policy, time};
use super::ending::Halted;

/// `spec.rollback.window`.
///
/// # Errors
/// It is no duration.
pub(crate) fn span(job: &Job) -> Result<Duration> {
    let window = &job.object.spec.rollback.window;
    let span =
        window.parse().map_err(|why| Refusal::new(Code::Usage, format!("spec.rollback.window: {why}")))?;
    Ok(span)
}

/// The changes in their revert window that this object made, the oldest first.
pub(crate) async fn own(job: &Job, session: &mut dyn Session) -> Result<Vec<OpenChange>> {
    let mut open = open_changes(session).await?;
    open.retain(|one| one.run.by == job.who && matches!(one.run.phase, Phase::Watching | Phase::Contracting));
    Ok(open)
}

/// Ends the windows of these.
pub(crate) async fn end(
    job: &Job,
    session: &mut dyn Session,
    policy: &Policy,
    open: &[OpenChange],
) -> Result<()> {
    for one in open {
        let reporter = Arc::clone(&job.report) as SharedReporter;
        cofferdam_runner::finalize(session, one.run.id, policy, reporter, &job.stop).await?;
    }
    Ok(())
}

/// The end of a run that has applied all there is.
pub(crate) async fn after(
    job: &Job,
    session: &mut dyn Session,
    policy: &Policy,
    history: &[Applied],
) -> Result<Outcome, Halted> {
    let mut open = own(job, session).await?;
    if policy.finalize && !open.is_empty() {
        end(job, session, policy, &open).await?;
        open.clear();
    }
    let span = SignedDuration::try_from(span(job)?).unwrap_or(SignedDuration::MAX);
    let until = open
        .iter()
        .filter_map(|one| time(one.state.as_ref()?.swapped_at.as_deref()?))
        .map(|swapped| swapped.checked_add(span).unwrap_or(Timestamp::MAX))
        .min();
    let (state, reason, text) = match until {
        Some(until) => {
            let text =
                format!("until {until:.0} the change can be taken back with all that was written since");
            (State::True, Reason::RevertWindowOpen, text)
        }
        None => (State::False, Reason::MigrationComplete, way_back(job, history, &parked(session).await?)),
    };
    job.report.with(|account, now| {
        account.revertible(until);
        account.judge(ConditionType::Reversible, state, reason, &text, now);
        account.ends(Some(if until.is_some() { Stage::Watching } else { Stage::Done }), now);
    });
    Ok(match until {
        Some(until) => {
            let mut outcome = Outcome::new(Ended::Succeeded, Reason::RevertWindowOpen, text);
            outcome.revertible_until = Some(until);
            outcome
        }
        None => complete("everything that is asked for is applied"),
    })
}

/// What is parked in the database; nothing where that is not known.
async fn parked(session: &mut dyn Session) -> Result<Vec<Parked>> {
    Ok(session.parked().await?.into_iter().filter(Parked::is_there).collect())
}

/// What of this object can be taken back without a window, and what of it is parked.
fn way_back(job: &Job, history: &[Applied], parked: &[Parked]) -> String {
    let own: Vec<&Applied> = history.iter().filter(|row| row.in_force() && row.by == job.who).collect();
    let with = own.iter().filter(|row| row.bundle.down.is_some() || !row.bundle.derived.is_empty()).count();
    let stored = format!(
        "no revert window is open; a way back that may lose what was written since is stored for {with} of {}",
        crate::output::words::count(own.len(), "migration")
    );
    let own = parked.iter().filter(|one| own.iter().any(|row| row.run == Some(one.run)));
    own.fold(stored, |text, one| format!("{text}; {}", park::told(&one.object, &one.name, &one.until)))
}

/// `--work finalize`: ends the revert windows of this object.
///
/// # Errors
/// What waiting would not change.
pub(crate) async fn finalize(job: &Job) -> Result<Outcome, Halted> {
    let mut session = job.reach.patiently(&job.report, &job.stop).await?;
    let session = &mut *session;
    job.reached(session).await?;
    let policy = policy(job)?;
    let open = own(job, session).await?;
    end(job, session, &policy, &open).await?;
    let history = session.history().await?;
    let parked = parked(session).await?;
    job.report.with(|account, now| {
        account.revertible(None);
        let text = way_back(job, &history, &parked);
        account.judge(ConditionType::Reversible, State::False, Reason::MigrationComplete, &text, now);
        account.ends(Some(Stage::Done), now);
    });
    Ok(complete(match open.is_empty() {
        true => "no revert window of this object was open",
        false => "the revert window was ended: the old table is gone",
    }))
}

/// The runs that this object has begun and that are not over, the newest first.
pub(crate) async fn own_unfinished(job: &Job, session: &mut dyn Session) -> Result<Vec<Run>> {
    let mut runs = session.runs(Runs::Unfinished).await?;
    runs.retain(|run| run.by == job.who);
    Ok(runs)
}
