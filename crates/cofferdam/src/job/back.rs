//! `--work rollback`: what this object did is taken back.

use std::sync::Arc;

use jiff::Timestamp;

use cofferdam_api::conditions::State;
use cofferdam_api::{ConditionType, Reason, Stage};
use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::{Code, Fault, Refusal};
use cofferdam_engines::{Keeping, Kept, Session};
use cofferdam_operator::outcome::{Ended, Outcome};
use cofferdam_runner::{Back, SharedReporter, change_of, rollback_plans, take_back};

use super::Job;
use super::apply::{keeping, newest, policy};
use super::ending::Halted;
use super::window::own_unfinished;

/// Takes back what the last run of this object did, the newest first.
///
/// An online change that is open is swapped back, or given up, with what was written since. What was applied besides
/// is taken back by its stored way back, unless that would lose something: nobody is here who could agree to it.
///
/// # Errors
/// `NoWayBack` and `RollbackUnsafe`, before anything is done; and what waiting would not change.
pub(crate) async fn rollback(job: &Job) -> Result<Outcome, Halted> {
    let mut session = job.reach.patiently(&job.report, &job.stop).await?;
    let session = &mut *session;
    job.reached(session).await?;
    // Without its files: our own rows say in which tool's history they are, too.
    let kept = keeping(&job.object.spec.migration);
    session.keep(if kept.kept == Some(Kept::Both) { Keeping::default() } else { kept }).await?;
    let mut policy = policy(job)?;
    policy.backups.restore = super::backup::restoring(job)?;
    policy.why_back = job.why.clone();
    let mut open: Vec<_> = own_unfinished(job, session).await?;
    open.retain(|run| change_of(run).is_some());
    let keys = applied(job, session).await?;
    let plans = match rollback_plans(session, &Back::These(keys.clone()), &policy).await {
        Ok(plans) => {
            let losses: Vec<&String> = plans.iter().flat_map(|plan| &plan.losses).collect();
            match (losses.is_empty(), open.is_empty()) {
                (true, _) => plans,
                (false, false) => Vec::new(),
                (false, true) => return Err(unsafe_way(&losses).into()),
            }
        }
        // What can be taken back with all that was written since is, also where something else stays.
        Err(fault) if !open.is_empty() && is_no_way(&fault) => Vec::new(),
        Err(fault) => return Err(by_the_spec(job, fault).into()),
    };
    if open.is_empty() && plans.is_empty() {
        return Ok(ended(job, Ended::Succeeded, "nothing that this object applied is in force"));
    }
    job.report.with(|account, now| {
        account.takes_back();
        account.judge(
            ConditionType::Reversible,
            State::True,
            Reason::RollingBack,
            "it is being taken back",
            now,
        );
    });
    let kept = keys.len().saturating_sub(plans.len());
    for run in &open {
        let reporter = Arc::clone(&job.report) as SharedReporter;
        take_back(session, run.id, &policy, reporter, &job.stop).await?;
    }
    if !plans.is_empty() {
        let reporter = Arc::clone(&job.report) as SharedReporter;
        cofferdam_runner::rollback(session, plans, &policy, reporter, &job.stop).await?;
    }
    let history = session.history().await?;
    job.report.with(|account, _| account.version(newest(job, &history)));
    Ok(match kept {
        0 => ended(job, Ended::Succeeded, "the change was taken back because it was asked for"),
        kept => {
            let what = crate::output::words::count(kept, "migration");
            ended(
                job,
                Ended::Succeeded,
                &format!("the online change was taken back; {what} without a safe way back stay"),
            )
        }
    })
}

/// What of the spec would have helped, where there is a backup.
fn by_the_spec(job: &Job, fault: Fault) -> Fault {
    let Some(backup) = &job.object.spec.backup else { return fault };
    match fault {
        Fault::Refused(why) if why.code == Code::NoWayBack && !backup.restore_on_rollback => (*why)
            .note(
                "with spec.backup.restoreOnRollback: true the tables that it dropped are restored from there",
            )
            .into(),
        Fault::Refused(why) if why.code == Code::BackupLocked => {
            (*why).note("spec.backup.identitySecretRef names the Secret with its private key").into()
        }
        other => other,
    }
}

fn is_no_way(fault: &Fault) -> bool {
    fault.refusal().is_some_and(|why| matches!(why.code, Code::NoWayBack | Code::RollbackUnsafe))
}

/// The keys of what the last run of this object applied and what is in force.
async fn applied(job: &Job, session: &mut dyn Session) -> Result<Vec<String>> {
    let since = job.report.with(|account, _| account.start());
    let history = session.history().await?;
    Ok(history
        .iter()
        .filter(|row| row.in_force() && row.by == job.who && is_since(row, since))
        .map(|row| row.key.clone())
        .collect())
}

/// The run's id has the time of its beginning by the clock that the status has too.
fn is_since(row: &Applied, since: Option<Timestamp>) -> bool {
    let began = row.run.and_then(|run| run.get_timestamp()).map(|time| time.to_unix().0);
    match (began, since) {
        (Some(began), Some(since)) => i64::try_from(began).is_ok_and(|began| began >= since.as_second()),
        _ => true,
    }
}

fn unsafe_way(losses: &[&String]) -> Box<Refusal> {
    let refusal =
        Refusal::new(Code::RollbackUnsafe, "taking this back would lose data, and nobody agreed to it");
    Box::new(losses.iter().fold(refusal, |refusal, loss| refusal.note(format!("lost: {loss}"))))
}

fn ended(job: &Job, ended: Ended, text: &str) -> Outcome {
    job.report.with(|account, now| {
        account.revertible(None);
        account.judge(ConditionType::Reversible, State::False, Reason::RolledBack, text, now);
        account.ends(Some(Stage::RolledBack), now);
    });
    Outcome::new(ended, Reason::RolledBack, text)
}
