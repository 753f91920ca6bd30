//! What gates mean for a run: what holds it back before a change, and what becomes of the change after it. Pure.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;

use cofferdam_api::checks::{MetricCheck, PreChecks};
use cofferdam_api::names::{ANNOTATION_FINALIZE, ANNOTATION_RETRY, ANNOTATION_ROLLBACK};
use cofferdam_api::rollback::RollbackTrigger;
use cofferdam_api::status::{Bake, BakeResult};
use cofferdam_api::{ConditionType, DatabaseMigration, Phase, Reason, Stage, conditions};

use super::container;
use super::decide::{Decision, begin};
use super::seen::Seen;
use super::work;
use crate::contract::Kind;
use crate::gates::bake;
use crate::gates::threshold::{Verdict, judge};
use crate::outcome::{Ended, Outcome};

/// Between two looks at what is waited for: at first, and later.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// Two looks are never closer.
const LEAST: Duration = Duration::from_secs(1);

/// What is to be looked at outside of the object before it can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What `spec.checks.pre` asks for.
    Before,
    /// The metrics of `spec.checks.post` that are due.
    After,
}

/// What must be fulfilled before a change.
pub fn asked_before(migration: &DatabaseMigration) -> Option<&PreChecks> {
    let checks = migration.spec.checks.pre.as_ref()?;
    (!checks.min_pod_versions.is_empty() || !checks.metrics.is_empty()).then_some(checks)
}

/// What must be fulfilled after it.
pub fn asked_after(migration: &DatabaseMigration) -> &[MetricCheck] {
    migration.spec.checks.post.as_ref().map(|post| post.metrics.as_slice()).unwrap_or_default()
}

/// Until the next look before a change: the longer it has been waited for, the longer.
pub fn pause(seen: &Seen) -> Duration {
    let said = seen.migration.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let since = conditions::find(said, ConditionType::Ready).map(|ready| ready.last_transition_time.0);
    let waited = since.and_then(|since| Duration::try_from(seen.now.duration_since(since)).ok());
    let metrics = asked_before(&seen.migration).map(|pre| pre.metrics.as_slice()).unwrap_or_default();
    let watched = metrics.iter().filter(|check| check.bake_seconds > 0);
    let most = watched.map(|check| u64::from(check.interval_seconds)).min().map(Duration::from_secs);
    (waited.unwrap_or_default() / 8).clamp(PAUSE.0, PAUSE.1).min(most.unwrap_or(PAUSE.1))
}

/// What holds a change back; `None`: nothing does.
pub(super) fn before(seen: &Seen) -> Option<Decision> {
    let checks = asked_before(&seen.migration)?;
    if under_way(seen) {
        return None;
    }
    let Some(looked) = &seen.looked else {
        let message = "what spec.checks.pre asks for is being looked at";
        let mut decision = Decision::new(Phase::Pending, Reason::Initializing, message);
        decision.look = Some(Look::Before);
        return Some(decision.again(PAUSE.0));
    };
    let mut against = looked.pods.clone();
    let reason = match against.is_empty() {
        true => Reason::PreCheckMetricFailed,
        false => Reason::PreCheckImageVersionFailed,
    };
    for check in &checks.metrics {
        let reading = looked.metrics.get(check.name.as_str());
        match judge(check, reading.unwrap_or(&Err("it was not looked at".into()))) {
            Verdict::Breached(why) | Verdict::Unread(why) => against.push(why),
            Verdict::Holds(_) => {
                let held = looked.held.get(check.name.as_str()).copied().unwrap_or_default().as_secs();
                if held < u64::from(check.bake_seconds) {
                    let (name, whole) = (&check.name, check.bake_seconds);
                    against.push(format!("metric {name} lies within its limit, but must for {whole} s"));
                }
            }
        }
    }
    if against.is_empty() {
        return None;
    }
    let message = format!("{}; the change begins by itself when this is fulfilled", against.join("; "));
    Some(Decision::new(Phase::Pending, reason, message).again(pause(seen)))
}

/// The change has begun: what comes before it is past, and the sooner it ends the better.
fn under_way(seen: &Seen) -> bool {
    let of_journal = |job| seen.outcome(job).is_some_and(|outcome| outcome.run_id.is_some());
    let status = seen.migration.status.as_ref();
    let stage = status.and_then(|status| status.stage);
    let changing = !matches!(
        stage,
        None | Some(Stage::Requested | Stage::Planned | Stage::Done | Stage::RolledBack | Stage::Refused)
    );
    container::last(seen).is_some()
        || seen.jobs_of(Kind::Apply).any(of_journal)
        || (changing && status.and_then(|status| status.phase) == Some(Phase::Running))
}

/// The metrics that are to be looked at now, of the change that this Job made.
pub fn due(seen: &Seen) -> Vec<&MetricCheck> {
    let Some(job) = seen.jobs_of(Kind::Apply).next_back() else { return Vec::new() };
    bake::due(&watch(seen, job), asked_after(&seen.migration), seen.now)
}

/// The watch of the change that this Job made, as it stands in the status.
fn watch(seen: &Seen, job: &Job) -> Bake {
    let known = seen.migration.status.as_ref().and_then(|status| status.post_checks.clone());
    let known = known.filter(|bake| bake.job_name == job.name_any());
    known.unwrap_or_else(|| bake::begin(&job.name_any(), asked_after(&seen.migration), seen.now))
}

/// A Job has made the change: what becomes of it. `stays` decides where it stays.
pub(super) fn after(
    seen: &Seen,
    job: &Job,
    outcome: Outcome,
    stays: fn(&Seen, &Job, Kind, Outcome) -> Decision,
) -> Decision {
    let metrics = asked_after(&seen.migration);
    // Whoever ends the revert window by word has decided.
    if metrics.is_empty() || work::asked(&seen.migration, Kind::Finalize) {
        return stays(seen, job, Kind::Apply, outcome);
    }
    let mut watch = watch(seen, job);
    let due = !bake::due(&watch, metrics, seen.now).is_empty();
    if let (true, Some(looked)) = (due, &seen.looked) {
        watch = bake::look(watch, metrics, &looked.metrics, seen.now);
    }
    let why = watch.message.clone().unwrap_or_default();
    let mut decision = match watch.result {
        BakeResult::Passed => stays(seen, job, Kind::Apply, outcome),
        BakeResult::Baking => {
            let next = bake::next(&watch, metrics, seen.now).unwrap_or_default().max(LEAST);
            let message = bake::told(&watch, metrics);
            let mut decision = Decision::new(Phase::Running, Reason::Baking, message).of(job).again(next);
            decision.look = (due && seen.looked.is_none()).then_some(Look::After);
            decision
        }
        BakeResult::Failed if taken_back_for_metrics(&seen.migration) => taken_back(seen, &why),
        BakeResult::Failed => {
            let message = format!("{why}, and spec.rollback does not take the change back by itself");
            failed(seen, job, outcome, message)
        }
        BakeResult::Unread => {
            // Another value asks again, and this one is of this Job.
            let (name, value) = (seen.migration.name_any(), job.name_any());
            let again = format!("kubectl annotate --overwrite dbm {name} {}={value}", ANNOTATION_RETRY);
            let message = format!(
                "{why}: nobody knows whether the change may stay, so it is neither Ready nor taken back. Look again: \
                 `{again}`"
            );
            failed(seen, job, outcome, message)
        }
    };
    decision.bake = Some(watch);
    decision
}

fn taken_back_for_metrics(migration: &DatabaseMigration) -> bool {
    let rollback = &migration.spec.rollback;
    // What a container did, nobody here can take back.
    migration.spec.migration.container.is_none()
        && rollback.automatic
        && rollback.conditions.contains(&RollbackTrigger::PerformanceDegradation)
}

/// Whether there is a way back, the runner finds out: it does nothing where there is none.
fn taken_back(seen: &Seen, why: &str) -> Decision {
    let mut decision = begin(seen, Kind::Rollback, None);
    if let Some(work) = &mut decision.start {
        // What is told of the run says it, too.
        work.why = Some(why.to_owned());
        decision.reason = Reason::RollingBack;
        decision.message = format!("{why}; the change is being taken back");
    } else {
        decision.message = format!("{why}; the change is to be taken back, but {}", decision.message);
    }
    decision
}

fn failed(seen: &Seen, job: &Job, outcome: Outcome, message: String) -> Decision {
    let name = seen.migration.name_any();
    let plan = seen.migration.status.as_ref().and_then(|status| status.plan_digest.as_ref());
    let message = match plan {
        None => message,
        Some(plan) => format!(
            "{message}. Take it back: `kubectl annotate --overwrite dbm {name} {ANNOTATION_ROLLBACK}={plan}`, or keep it: \
             `kubectl annotate --overwrite dbm {name} {}={plan}`",
            ANNOTATION_FINALIZE
        ),
    };
    let mut decision = Decision::new(Phase::Failed, Reason::PostCheckFailed, message.clone()).of(job);
    let reason = Reason::PostCheckFailed.word().to_owned();
    decision.ended = Some(Outcome { ended: Ended::Failed, reason, message, ..outcome });
    decision
}

/// What a Job that took a change back said, with the metric that it was for.
pub(super) fn because(seen: &Seen, message: &str) -> String {
    match broken(seen) {
        Some(why) => format!("{why}; {message}"),
        None => message.to_owned(),
    }
}

/// The metric that broke after the change, by the status.
pub(super) fn broken(seen: &Seen) -> Option<&str> {
    match seen.migration.status.as_ref()?.post_checks.as_ref()? {
        Bake { result: BakeResult::Failed, message: Some(why), .. } => Some(why),
        _ => None,
    }
}
