//! What was seen of a DatabaseMigration and of what belongs to it: all that a decision is made of.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStateWaiting, Pod};
use kube::ResourceExt;

use cofferdam_api::{DatabaseMigration, MigrationApproval};

use super::work;
use crate::contract::Kind;
use crate::gates::Looked;
use crate::outcome::Outcome;

/// What was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The object itself.
    pub migration: DatabaseMigration,
    /// Its Jobs, the oldest first.
    pub jobs: Vec<Job>,
    /// The Pods of these Jobs, the oldest first.
    pub pods: Vec<Pod>,
    /// What the events of the Jobs and Pods warn of, the newest first.
    pub warnings: Vec<String>,
    /// The object that `spec.migration.previous` names, where it names one and it is there.
    pub previous: Option<DatabaseMigration>,
    /// The approvals that name it.
    pub approvals: Vec<MigrationApproval>,
    /// Another object that has a Job at work on the same database.
    pub other: Option<String>,
    /// What gates asked about, once it was looked at.
    pub looked: Option<Looked>,
    /// The object that is directly before it in the line for the same database.
    pub before: Option<String>,
    /// When.
    pub now: Timestamp,
}

impl Seen {
    /// The Jobs for the spec as it is, of one kind.
    pub fn jobs_of(&self, kind: Kind) -> impl DoubleEndedIterator<Item = &Job> {
        let base = work::base(&self.migration);
        self.jobs
            .iter()
            .filter(move |job| job.annotations().get(work::BASE) == Some(&base) && kind_of(job) == Some(kind))
    }

    /// A Job that has not ended, and whether it is for the spec as it is.
    pub fn active(&self) -> Option<(&Job, bool)> {
        let job = self.jobs.iter().rev().find(|job| finished(job).is_none())?;
        Some((job, job.annotations().get(work::BASE) == Some(&work::base(&self.migration))))
    }

    /// The Pods of a Job, the newest last.
    pub fn pods_of<'a>(&'a self, job: &'a Job) -> impl DoubleEndedIterator<Item = &'a Pod> {
        let uid = job.uid();
        self.pods
            .iter()
            .filter(move |pod| pod.owner_references().iter().any(|o| Some(&o.uid) == uid.as_ref()))
    }

    /// A runner of this Job has come so far as to do something.
    pub fn began(&self, job: &Job) -> bool {
        let failed = job.status.as_ref().and_then(|s| s.failed).unwrap_or(0) > 0;
        failed || self.pods_of(job).any(|pod| running(pod) || terminated(pod).is_some())
    }

    /// A runner of this Job is there. Where none is, the next one may be minutes away.
    pub fn works(&self, job: &Job) -> bool {
        self.pods_of(job).any(running)
    }

    /// What the last Pod of a Job left behind.
    pub fn outcome(&self, job: &Job) -> Option<Outcome> {
        let messages = self.pods_of(job).rev().filter_map(|pod| terminated(pod)?.message.clone());
        messages.into_iter().find_map(|message| Outcome::read(&message))
    }
}

/// How a Job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished<'a> {
    /// Well.
    Complete,
    /// With the reason and the message of its condition.
    Failed(&'a str, &'a str),
}

/// `None`: it is at work.
pub fn finished(job: &Job) -> Option<Finished<'_>> {
    let conditions = job.status.as_ref()?.conditions.as_deref()?;
    conditions.iter().find_map(|condition| match (condition.type_.as_str(), condition.status.as_str()) {
        ("Complete", "True") => Some(Finished::Complete),
        ("Failed", "True") => Some(Finished::Failed(
            condition.reason.as_deref().unwrap_or_default(),
            condition.message.as_deref().unwrap_or_default(),
        )),
        _ => None,
    })
}

/// How long ago a Job was made; times of the API are in whole seconds.
pub fn age(job: &Job, now: Timestamp) -> std::time::Duration {
    let made = job.creation_timestamp().map_or(now, |made| made.0);
    now.duration_since(made).try_into().unwrap_or_default()
}

/// What a Job is to do.
pub fn kind_of(job: &Job) -> Option<Kind> {
    Kind::named(job.annotations().get(work::KIND)?)
}

/// The runner of a Pod is at work.
pub fn running(pod: &Pod) -> bool {
    states(pod).any(|state| state.running.is_some())
}

/// How the runner of a Pod ended.
pub fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    states(pod).find_map(|state| state.terminated.as_ref())
}

/// Why the runner of a Pod does not begin.
pub fn waiting(pod: &Pod) -> Option<&ContainerStateWaiting> {
    let of_init = preparing(pod).into_iter().chain(states(pod));
    let mut waiting = of_init.filter_map(|state| state.waiting.as_ref());
    // It waits for the container before it.
    waiting.find(|waiting| waiting.reason.as_deref() != Some("PodInitializing"))
}

/// The container of ours that comes before one of the user.
pub fn preparing(pod: &Pod) -> Option<&k8s_openapi::api::core::v1::ContainerState> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_deref()?;
    statuses.first()?.state.as_ref()
}

fn states(pod: &Pod) -> impl Iterator<Item = &k8s_openapi::api::core::v1::ContainerState> {
    let statuses = pod.status.as_ref().and_then(|s| s.container_statuses.as_deref()).unwrap_or_default();
    statuses.iter().filter_map(|status| status.state.as_ref())
}
