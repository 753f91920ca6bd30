//! What to do next, from what was seen. Pure: the same seen gives the same decision, so a decision that was lost half-way
//! is made again.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;

use cofferdam_api::names::{ANNOTATION_FINALIZE, ANNOTATION_RETRY, ANNOTATION_ROLLBACK};
use cofferdam_api::rollback::RollbackTrigger;
use cofferdam_api::status::Bake;
use cofferdam_api::{ConditionType, DatabaseMigration, Phase, Reason, Stage, conditions};

use super::agreement::{self, Agreement};
use super::check;
use super::container;
use super::gate;
use super::line;
use super::pending;
use super::seen::{Finished, Seen, finished, kind_of};
use super::work::{self, Work};
use crate::contract::Kind;
use crate::outcome::{Ended, Outcome};

/// Until the next look where something outside is waited for.
const SOON: Duration = Duration::from_secs(5);
/// And where others are in line before it: who is the next is told so.
const IN_LINE: Duration = Duration::from_secs(30);
/// And where a runner is at work: its Job and its Pod tell when something happens, but not what it does.
const WORKING: Duration = Duration::from_secs(10);

/// What to do next, and what to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Where it is, in a word.
    pub phase: Phase,
    /// Why.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
    /// The Job that it is about.
    pub job: Option<String>,
    /// A Job to make.
    pub start: Option<Work>,
    /// A Job to remove: it is for an older spec, and no runner of it ever began.
    pub stop: Option<String>,
    /// A run that ended: for the history and the metrics.
    pub ended: Option<Outcome>,
    /// When to look again, where nothing else would tell.
    pub again: Option<Duration>,
    /// What is to be looked at first; then it is decided again.
    pub look: Option<gate::Look>,
    /// How the metrics stand that are watched after a change.
    pub bake: Option<Bake>,
}

impl Decision {
    pub(super) fn new(phase: Phase, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            phase,
            reason,
            message: message.into(),
            job: None,
            start: None,
            stop: None,
            ended: None,
            again: None,
            look: None,
            bake: None,
        }
    }

    pub(super) fn of(mut self, job: &Job) -> Self {
        self.job = Some(job.name_any());
        self
    }

    pub(super) fn again(mut self, after: Duration) -> Self {
        self.again = Some(after);
        self
    }
}

/// Decides. `None`: everything is as it was said before.
pub fn decide(seen: &Seen) -> Option<Decision> {
    if let Some((job, current)) = seen.active() {
        if seen.migration.spec.suspend && kind_of(job) == Some(Kind::Apply) && !seen.works(job) {
            return Some(suspended_between(job));
        }
        return Some(if current { at_work(seen, job) } else { of_an_older_spec(seen, job) });
    }
    for kind in [Kind::Rollback, Kind::Finalize, Kind::Apply] {
        if kind == Kind::Apply
            && let Some(job) = container::unheard(seen)
        {
            return Some(begin(seen, Kind::Apply, job.annotations().get(work::APPROVED).cloned()));
        }
        if let Some(job) = seen.jobs_of(kind).next_back() {
            return Some(after(seen, job, kind));
        }
    }
    if settled(&seen.migration) {
        return None;
    }
    match over(&seen.migration) {
        Some(phase) => after_its_jobs(seen, phase),
        None => Some(begin(seen, Kind::Apply, None)),
    }
}

/// It has ended for this spec by its own status, and its Jobs are gone: by their time to live, or because somebody removed
/// them. Nothing is done again for that; what was asked of the end since is.
fn after_its_jobs(seen: &Seen, phase: Phase) -> Option<Decision> {
    let asked = |kind| work::asked(&seen.migration, kind);
    let window = seen.migration.status.as_ref().is_some_and(|status| status.revertible_until.is_some());
    if phase == Phase::RolledBack {
        return None;
    }
    if asked(Kind::Rollback) {
        return Some(begin(seen, Kind::Rollback, None));
    }
    if window {
        let kind = if asked(Kind::Finalize) { Kind::Finalize } else { Kind::Apply };
        return Some(begin(seen, kind, None));
    }
    None
}

/// The cluster does not let the operator look. What is at work goes on, and how something ended stays said; but of a spec
/// that was not looked at nothing is known, and nobody may take it for one that has ended.
pub fn forbidden(known: &DatabaseMigration, message: &str) -> Decision {
    let status = known.status.as_ref();
    let seen = status.and_then(|status| status.observed_generation) == known.metadata.generation;
    let phase = match status.and_then(|status| status.phase) {
        Some(phase) if seen || matches!(phase, Phase::Running | Phase::RollingBack) => phase,
        _ => Phase::Pending,
    };
    Decision::new(phase, Reason::OperatorForbidden, message)
}

/// How it ended for this spec by its own status, where no other try was asked for: whether the status is of before or
/// after that only a Job can say.
fn over(migration: &DatabaseMigration) -> Option<Phase> {
    let status = migration.status.as_ref()?;
    let ended = matches!(status.phase, Some(Phase::Succeeded | Phase::Failed | Phase::RolledBack))
        && status.observed_generation == migration.metadata.generation
        && !migration.annotations().contains_key(ANNOTATION_RETRY);
    status.phase.filter(|_| ended)
}

/// By its own status it ended for this spec, and nothing is asked of it since. Whether its Job is still there does not
/// matter.
pub fn settled(migration: &DatabaseMigration) -> bool {
    let Some(status) = &migration.status else { return false };
    status.observed_generation == migration.metadata.generation
        && matches!(status.phase, Some(Phase::Succeeded | Phase::Failed | Phase::RolledBack))
        && status.revertible_until.is_none()
        && [ANNOTATION_RETRY, ANNOTATION_FINALIZE, ANNOTATION_ROLLBACK]
            .iter()
            .all(|asked| !migration.annotations().contains_key(*asked))
}

/// It is suspended and says so. Nothing but a change of the object itself matters to it.
pub fn rests(migration: &DatabaseMigration) -> bool {
    let Some(status) = &migration.status else { return false };
    let said = conditions::find(&status.conditions, ConditionType::Ready);
    migration.spec.suspend
        && status.observed_generation == migration.metadata.generation
        && status.phase == Some(Phase::Pending)
        && said.is_some_and(|said| said.reason == Reason::Suspended.word())
}

/// It is suspended while its Job has no runner, perhaps because each that begins is killed: a spec that is to be corrected
/// must not wait for the last of them. What was begun is in the journal, and goes on with the next Job.
fn suspended_between(job: &Job) -> Decision {
    let message = "spec.suspend is true, and no runner is at work";
    let mut decision = Decision::new(Phase::Pending, Reason::Suspended, message).of(job).again(SOON);
    decision.stop = Some(job.name_any());
    decision
}

/// A Job for an older spec is at work.
fn of_an_older_spec(seen: &Seen, job: &Job) -> Decision {
    if seen.works(job) {
        let message = "a run for an older spec is at work; one for this spec comes after it";
        return Decision::new(Phase::Running, Reason::MigrationInProgress, message).of(job).again(SOON);
    }
    // Perhaps what keeps it from beginning, or from going on, is what was corrected.
    let message = "the spec was changed while no runner was at work";
    let mut decision = Decision::new(Phase::Pending, Reason::Initializing, message).of(job).again(SOON);
    decision.stop = Some(job.name_any());
    decision
}

/// Events are not watched: what a new Job lacks is said soon, and what was lacking for long is looked for less often, so that
/// hundreds that wait take nothing from those that need not.
fn between_looks(seen: &Seen, job: &Job) -> Duration {
    match super::seen::age(job, seen.now) {
        age if age < Duration::from_secs(4) => Duration::from_secs(2),
        age if age < Duration::from_secs(120) => SOON,
        _ => IN_LINE / 2,
    }
}

fn at_work(seen: &Seen, job: &Job) -> Decision {
    let status = seen.migration.status.clone().unwrap_or_default();
    let back = kind_of(job) == Some(Kind::Rollback) || status.stage == Some(Stage::RollingBack);
    let phase = match (seen.began(job), back) {
        (_, true) => Phase::RollingBack,
        (true, false) => Phase::Running,
        (false, false) => Phase::Pending,
    };
    let tell = |reason, message: String| Decision::new(phase, reason, message).of(job).again(WORKING);
    if kind_of(job) == Some(Kind::Container) {
        let (reason, message) = container::at_work(seen, job);
        return tell(reason, message).again(SOON);
    }
    if let Some((reason, message)) = pending::why(seen, job) {
        return tell(reason, message).again(between_looks(seen, job));
    }
    let progress = status.progress.unwrap_or_default();
    let summary = progress.summary.unwrap_or_default();
    if back {
        return tell(Reason::RollingBack, "the change is being taken back".into());
    }
    if let Some(by) = progress.blocked_by {
        return tell(Reason::WaitingForBlocker, by);
    }
    if status.stage == Some(Stage::Ready) {
        return match seen.migration.spec.cutover.mode {
            cofferdam_api::cutover::CutoverMode::Manual => {
                tell(Reason::AwaitingCutover, "both sides hold the same and are kept so".into())
            }
            cofferdam_api::cutover::CutoverMode::Window => {
                tell(Reason::AwaitingWindow, "both sides hold the same and are kept so".into())
            }
            cofferdam_api::cutover::CutoverMode::Auto => tell(Reason::MigrationInProgress, summary),
        };
    }
    if let Some(by) = progress.throttled_by {
        return tell(Reason::Throttled, by);
    }
    let step = progress.current_step.unwrap_or_else(|| "the runner is at work".into());
    tell(Reason::MigrationInProgress, format!("{summary} {step}").trim().to_owned())
}

/// A Job for this spec has ended and none is at work.
fn after(seen: &Seen, job: &Job, kind: Kind) -> Decision {
    let outcome = outcome(seen, job);
    if kind == Kind::Apply
        && work::asked(&seen.migration, Kind::Rollback)
        && seen.jobs_of(Kind::Rollback).next().is_none()
    {
        return begin(seen, Kind::Rollback, None);
    }
    let mut decision = match outcome.ended {
        Ended::Stopped => return begin(seen, kind, None),
        Ended::WaitsForApproval => return approval(seen, job, &outcome),
        Ended::Prepared => return start_container(seen, job, outcome),
        // The other plan can be agreed to, as the first could.
        Ended::Refused if outcome.reason() == Reason::PlanChanged => return approval(seen, job, &outcome),
        Ended::Succeeded if kind == Kind::Rollback => {
            Decision::new(Phase::RolledBack, Reason::RolledBack, gate::because(seen, &outcome.message))
        }
        Ended::Succeeded if kind == Kind::Apply => return gate::after(seen, job, outcome, succeeded),
        Ended::Succeeded => return succeeded(seen, job, kind, outcome),
        Ended::RolledBack => Decision::new(Phase::RolledBack, outcome.reason(), outcome.message.clone()),
        Ended::Refused | Ended::Stuck | Ended::Failed => {
            if outcome.reason() == Reason::DeadlineExceeded
                && kind == Kind::Apply
                && taken_back_for_time(seen)
            {
                let mut decision = begin(seen, Kind::Rollback, None);
                if let Some(work) = &mut decision.start {
                    work.why = Some(outcome.message);
                }
                return decision;
            }
            let message = match kind {
                Kind::Rollback => gate::because(seen, &outcome.message),
                Kind::Apply | Kind::Container | Kind::Finalize => outcome.message.clone(),
            };
            Decision::new(Phase::Failed, outcome.reason(), message)
        }
    };
    decision.ended = Some(outcome);
    decision.of(job)
}

/// All is ready for the container of the user.
fn start_container(seen: &Seen, job: &Job, outcome: Outcome) -> Decision {
    if let Some(last) = container::last(seen)
        && seen.jobs_of(Kind::Container).count() >= container::TRIES
    {
        let words = container::left(seen, last).lines.unwrap_or_default();
        let message = format!(
            "the container was kept from starting {} times: {words}; once the cause is gone: kubectl annotate dbm {} \
             {}=1 --overwrite",
            container::TRIES,
            seen.migration.name_any(),
            ANNOTATION_RETRY,
        );
        return Decision::new(Phase::Failed, Reason::JobFailed, message).of(job);
    }
    let mut decision = begin(seen, Kind::Container, job.annotations().get(work::APPROVED).cloned());
    if let Some(work) = &mut decision.start {
        work.login = outcome.login.map(|login| *login);
        work.image = outcome.image;
    }
    decision
}

fn taken_back_for_time(seen: &Seen) -> bool {
    let rollback = &seen.migration.spec.rollback;
    // What a container did, nobody here can take back.
    seen.migration.spec.migration.container.is_none()
        && rollback.automatic
        && rollback.conditions.contains(&RollbackTrigger::Timeout)
}

fn succeeded(seen: &Seen, job: &Job, kind: Kind, outcome: Outcome) -> Decision {
    let window = outcome.revertible_until.filter(|_| kind == Kind::Apply);
    let message = outcome.message.clone();
    let Some(until) = window else {
        let mut decision = Decision::new(Phase::Succeeded, Reason::MigrationComplete, message);
        decision.ended = Some(outcome);
        return decision.of(job);
    };
    let left = Duration::try_from(until.duration_since(seen.now)).unwrap_or_default();
    if left.is_zero() || work::asked(&seen.migration, Kind::Finalize) {
        return begin(seen, Kind::Finalize, None);
    }
    let mut decision = Decision::new(Phase::Succeeded, Reason::RevertWindowOpen, message);
    decision.ended = Some(outcome);
    decision.of(job).again(left + Duration::from_secs(1))
}

/// What a Job that has ended left behind.
fn outcome(seen: &Seen, job: &Job) -> Outcome {
    if let Some(outcome) = seen.outcome(job)
        && !matches!(finished(job), Some(Finished::Failed("DeadlineExceeded", _)))
    {
        return outcome;
    }
    match finished(job) {
        Some(Finished::Failed("DeadlineExceeded", _)) => Outcome::new(
            Ended::Failed,
            Reason::DeadlineExceeded,
            "the run took longer than spec.runner.activeDeadlineSeconds and stopped at a safe point",
        ),
        Some(Finished::Failed(reason, message)) => {
            let memory = seen
                .pods_of(job)
                .filter_map(super::seen::terminated)
                .any(|t| t.reason.as_deref() == Some("OOMKilled"));
            let hint = if memory { "; the runner used more memory than its limit" } else { "" };
            Outcome::new(Ended::Failed, Reason::JobFailed, format!("{reason}: {message}{hint}"))
        }
        // It ended well, which does not say whether the container was started: another one looks.
        _ if seen.migration.spec.migration.container.is_some() => {
            Outcome::new(Ended::Stopped, Reason::PodEvicted, "its Pod is gone with what it had to say")
        }
        // Its Pod is gone with what it had to say; that it ended well is known.
        _ => Outcome::new(Ended::Succeeded, Reason::MigrationComplete, "the Job ended well"),
    }
}

fn approval(seen: &Seen, job: &Job, outcome: &Outcome) -> Decision {
    let written = seen.migration.status.as_ref().and_then(|status| status.plan_digest.as_ref());
    let plan = outcome.plan_digest.as_ref().or(written).map(|d| d.as_str().to_owned()).unwrap_or_default();
    if !seen.migration.spec.approval.required {
        return begin(seen, Kind::Apply, Some(plan));
    }
    let wait = |reason, message: String| Decision::new(Phase::Pending, reason, message).of(job);
    match agreement::of(&seen.approvals, &plan, &seen.migration.spec.approval, seen.now) {
        Agreement::Given(_) => {}
        Agreement::Rejected(no) => {
            return wait(
                Reason::ApprovalRejected,
                format!("MigrationApproval {} rejects plan {plan}", no.name_any()),
            );
        }
        Agreement::Lacking(what) => return wait(outcome.reason(), what),
        Agreement::Nothing => return wait(outcome.reason(), outcome.message.clone()),
    }
    // A plan that was approved and is another one by now was said to be so by the runner.
    if job.annotations().get(work::APPROVED) == Some(&plan) {
        return wait(Reason::PlanChanged, outcome.message.clone());
    }
    begin(seen, Kind::Apply, Some(plan))
}

/// Another one comes first. That it is in line and that it works is said in the same words: of many that wait, only the next
/// has something new to say then.
pub fn behind(other: &str) -> Decision {
    let message =
        format!("DatabaseMigration {other} comes first: one after the other changes the same database");
    Decision::new(Phase::Pending, Reason::LockHeldByOther, message).again(IN_LINE)
}

/// The same, found out when the Job was about to be made. What was seen of metrics stays seen.
pub fn gives_way(decision: Decision, other: &str) -> Decision {
    Decision { bake: decision.bake, ..behind(other).again(SOON) }
}

/// A Job is to be made, unless something stands in its way.
pub(super) fn begin(seen: &Seen, kind: Kind, approved: Option<String>) -> Decision {
    let migration = &seen.migration;
    // What was made under an older version can be taken back and ended under one that would not make it any more.
    if kind == Kind::Apply
        && let Some(why) = check::refused(migration)
    {
        return Decision::new(Phase::Failed, Reason::SpecInvalid, why);
    }
    if migration.spec.suspend {
        return Decision::new(Phase::Pending, Reason::Suspended, "spec.suspend is true");
    }
    if let Some(name) = &migration.spec.migration.previous
        && kind == Kind::Apply
    {
        let done = seen.previous.as_ref().is_some_and(|previous| {
            let generation = previous.metadata.generation.unwrap_or(0);
            let said = previous.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
            conditions::holds(said, ConditionType::Ready, generation)
        });
        if !done {
            let what = if seen.previous.is_some() { "has not succeeded" } else { "is not there" };
            let message = format!("DatabaseMigration {name}, which comes before, {what}");
            return Decision::new(Phase::Pending, Reason::PreviousNotDone, message).again(SOON);
        }
    }
    if let Some(other) = &seen.other {
        return behind(other).again(SOON);
    }
    // What was begun is ended first, and to take something back does not wait for those who wait.
    let jobs = seen.jobs_of(kind).count();
    if let Some(before) = &seen.before
        && kind == Kind::Apply
        && jobs == 0
        && !line::begun(migration)
    {
        return behind(before);
    }
    if kind == Kind::Apply
        && let Some(held) = gate::before(seen)
    {
        return held;
    }
    if let Some(decision) = container::waits_for(seen) {
        return decision.again(SOON);
    }
    let left = container::last(seen).filter(|_| kind == Kind::Apply).map(|job| container::left(seen, job));
    // A person who asks has a reason of his own.
    let found = gate::broken(seen).filter(|_| kind == Kind::Rollback && !work::asked(migration, kind));
    let why = found.map(str::to_owned);
    let work = Work { kind, approved, before: jobs, left, login: None, image: None, why };
    let phase = if kind == Kind::Rollback { Phase::RollingBack } else { Phase::Pending };
    // In the words of the next look, which then has nothing new to say.
    let name = work.job_name(migration);
    let message = pending::without_pod(&name);
    let mut decision = Decision::new(phase, Reason::JobPending, message);
    decision.job = Some(name);
    decision.start = Some(work);
    decision
}
