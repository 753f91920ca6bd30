//! A container of the user: when its Job is made, how it ended, and who is told. Pure.
//!
//! Three Jobs follow one another: ours, which looks whether there is anything to do; the container's; and ours again,
//! which reads the version signal and says what became of it.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::ResourceExt;

use cofferdam_api::{Phase, Reason};

use super::decide::Decision;
use super::pending;
use super::seen::{Finished, Seen, finished, preparing, running, terminated};
use super::work;
use crate::contract::{How, Kind, Left};
use crate::outcome::{Outcome, cut};

/// The label that tells the Pods of containers from those of runners.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// See [`COMPONENT`].
pub const OURS: &str = "runner";
/// See [`COMPONENT`].
pub const THEIRS: &str = "migration";

/// So often a container is kept from being started before that is a failure.
pub const TRIES: usize = 6;
/// The most of a container's last lines, in bytes.
const LINES: usize = 1500;

/// The last Job of the container, for the spec as it is.
pub fn last(seen: &Seen) -> Option<&Job> {
    seen.jobs_of(Kind::Container).next_back()
}

/// The last Job of the container, if no runner was told yet how it ended.
pub fn unheard(seen: &Seen) -> Option<&Job> {
    let job = last(seen)?;
    let told = |ours: &Job| ours.annotations().get(work::AFTER) == Some(&job.name_any());
    (!seen.jobs_of(Kind::Apply).any(told)).then_some(job)
}

/// A Pod of a container whose Job has ended or is gone, and which is at work all the same.
pub fn alive(seen: &Seen) -> Option<&Pod> {
    let of_a_job_at_work = |pod: &Pod| {
        let at_work = |job: &&Job| finished(job).is_none();
        seen.jobs
            .iter()
            .filter(at_work)
            .any(|job| pod.owner_references().iter().any(|o| Some(&o.uid) == job.uid().as_ref()))
    };
    let over = |pod: &Pod| {
        matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"))
    };
    seen.pods.iter().find(|pod| {
        pod.labels().get(COMPONENT).map(String::as_str) == Some(THEIRS)
            && !over(pod)
            && !of_a_job_at_work(pod)
    })
}

/// How the container of a Job ended.
pub fn left(seen: &Seen, job: &Job) -> Left {
    let told = Left { job: job.name_any(), how: How::Failed, exit_code: None, reason: None, lines: None };
    let why = match finished(job) {
        Some(Finished::Complete) => return Left { how: How::Complete, ..told },
        Some(Finished::Failed("DeadlineExceeded", _)) => {
            return Left { reason: Some("DeadlineExceeded".into()), ..told };
        }
        Some(Finished::Failed(why, _)) => why,
        None => "",
    };
    let failed: Vec<&ContainerStateTerminated> =
        seen.pods_of(job).rev().filter_map(terminated).filter(|ended| ended.exit_code != 0).collect();
    if let Some(ended) = failed.first() {
        return Left {
            exit_code: Some(ended.exit_code),
            reason: ended.reason.clone(),
            lines: ended.message.as_deref().map(|lines| end(lines.trim(), LINES)),
            ..told
        };
    }
    // Each Pod is known, and in none of them the container was started.
    let counted = job.status.as_ref().and_then(|s| s.failed).unwrap_or(0);
    let known = i32::try_from(seen.pods_of(job).count()).unwrap_or(0);
    let never = known > 0 && known >= counted && !seen.pods_of(job).any(begun);
    let message = seen.pods_of(job).rev().find_map(|pod| preparing(pod)?.terminated.clone()?.message);
    let message = message.map(|text| Outcome::read(&text).map_or(text, |outcome| outcome.message));
    Left {
        how: if never { How::Never } else { How::Failed },
        reason: Some(why.to_owned()).filter(|why| !why.is_empty()),
        lines: message.map(|text| cut(&text, LINES)),
        ..told
    }
}

/// The container of a Pod was started.
fn begun(pod: &Pod) -> bool {
    running(pod) || terminated(pod).is_some()
}

/// The end of a text, at most so many bytes long.
fn end(text: &str, most: usize) -> String {
    let from = (text.len().saturating_sub(most)..=text.len()).find(|at| text.is_char_boundary(*at));
    text[from.unwrap_or(0)..].to_owned()
}

/// What is said while the Job of a container is at work.
pub fn at_work(seen: &Seen, job: &Job) -> (Reason, String) {
    let image = seen.migration.spec.migration.container.as_ref().map_or("", |c| c.image.0.as_str());
    let pod = seen.pods_of(job).next_back();
    if let Some(pod) = pod.filter(|pod| running(pod)) {
        return (Reason::MigrationInProgress, format!("{image} is at work in Pod {}", pod.name_any()));
    }
    if pod.is_some_and(|pod| terminated(pod).is_some()) {
        return (Reason::MigrationInProgress, format!("{image} has ended; its Job is being ended"));
    }
    if pod.and_then(preparing).is_some_and(|state| state.running.is_some()) {
        let blocked = seen.migration.status.as_ref().and_then(|s| s.progress.as_ref()?.blocked_by.clone());
        return match blocked {
            Some(by) => (Reason::WaitingForBlocker, by),
            None => (Reason::MigrationInProgress, format!("the way is being opened for {image}")),
        };
    }
    pending::why(seen, job).unwrap_or((Reason::JobPending, format!("{image} is being started")))
}

/// Nothing new is begun while a container of an earlier Job is at work.
pub fn waits_for(seen: &Seen) -> Option<Decision> {
    let pod = alive(seen)?.name_any();
    let message = format!(
        "Pod {pod} of an earlier Job is still ending; if its node is gone for good: kubectl delete pod {pod} --force"
    );
    Some(Decision::new(Phase::Pending, Reason::JobPending, message))
}

#[cfg(test)]
mod tests;
