//! The time to live of Jobs that have ended.
//!
//! Kubernetes removes a Job so many seconds after its end, whether anybody has seen that or not. So a Job gets that time
//! only once its end is in the status and nothing more can be asked of it: until then the message of its Pod may be all
//! that there is. What an operator did not live to do, the next one that leads does.
//!
//! What failed or was taken back keeps the Jobs of its spec: they are why a change of something else in the spec does not
//! begin it once more. After a success that would find everything done.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt};
use serde_json::json;

use cofferdam_api::names::{self, LABEL_MIGRATION};
use cofferdam_api::{DatabaseMigration, Phase};

use super::decide::{self, Decision};
use super::seen::{Seen, finished};
use super::{Guarded, PAGE, api, work};
use crate::failpoint::reached;
use crate::log::log;

/// Whose Jobs have no time to live yet, though all of them has ended: by UID.
pub struct Expiry {
    usual: Option<u32>,
    due: Mutex<BTreeSet<String>>,
}

impl Expiry {
    /// With the seconds that the administrator set; `None`: Jobs stay as long as their object.
    pub fn new(usual: Option<u32>) -> Self {
        Self { usual, due: Mutex::default() }
    }

    /// Its end is about to be written, so that nobody would look at it any more. Returns whether its Jobs are to go.
    pub(super) fn ends(&self, migration: &DatabaseMigration, decision: &Decision) -> bool {
        let over = self.time(migration).is_some() && over(migration, decision);
        if over {
            self.due().insert(migration.uid().unwrap_or_default());
        }
        over
    }

    /// It has ended, and its Jobs have no time to live yet.
    pub(super) fn owes(&self, migration: &DatabaseMigration) -> bool {
        migration.uid().is_some_and(|uid| self.due().contains(&uid))
    }

    /// Gives the Jobs that have ended their time to live.
    pub(super) async fn settle(&self, client: &Client, seen: &Seen, phase: Phase) -> Result<(), kube::Error> {
        let migration = &seen.migration;
        if let Some(time) = self.time(migration) {
            for job in seen.jobs.iter().filter(|job| goes(job, migration, phase)) {
                give(client, job, time).await?;
            }
        }
        self.due().remove(&migration.uid().unwrap_or_default());
        Ok(())
    }

    /// Gives what an operator before this one left without. Once, when this one begins to lead.
    pub(super) async fn left_over(&self, client: &Client, namespace: Option<&str>, known: Store<Guarded>) {
        // It fails only where nothing is to be led any more.
        let _ = known.wait_until_ready().await;
        let mut all = ListParams::default().labels(LABEL_MIGRATION).limit(PAGE);
        loop {
            let page = match api::<Job>(client, namespace).list(&all).await {
                Ok(page) => page,
                Err(error) => return log("warning", "", &format!("Jobs that have ended stay: {error}")),
            };
            for job in &page.items {
                let Some(time) = self.time_of(job, &known) else { continue };
                if let Err(error) = give(client, job, time).await {
                    log("warning", &job.name_any(), &format!("the Job stays: {error}"));
                }
            }
            match page.metadata.continue_.filter(|more| !more.is_empty()) {
                Some(more) => all = all.continue_token(&more),
                None => return,
            }
        }
    }

    /// The seconds for a Job whose object has ended by its own status.
    fn time_of(&self, job: &Job, known: &Store<Guarded>) -> Option<u32> {
        let name = job.labels().get(LABEL_MIGRATION)?;
        let object = known.get(&ObjectRef::new(name).within(&job.namespace()?))?;
        let migration = object.0.as_ref().ok()?;
        let its = job.owner_references().iter().any(|owner| Some(&owner.uid) == migration.uid().as_ref());
        let phase = migration.status.as_ref().and_then(|status| status.phase)?;
        let over = its && decide::settled(migration) && goes(job, migration, phase);
        self.time(migration).filter(|_| over)
    }

    fn time(&self, migration: &DatabaseMigration) -> Option<u32> {
        migration.spec.runner.ttl_seconds_after_finished.or(self.usual)
    }

    fn due(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A Job of an object that ended so may go.
fn goes(job: &Job, migration: &DatabaseMigration, phase: Phase) -> bool {
    phase == Phase::Succeeded || job.annotations().get(work::BASE) != Some(&work::base(migration))
}

/// All of it has ended once this is written, and nothing can be asked of its Jobs.
fn over(migration: &DatabaseMigration, decision: &Decision) -> bool {
    let way_back = decision.ended.as_ref().is_some_and(|outcome| outcome.revertible_until.is_some());
    let mut then = migration.clone();
    let status = then.status.get_or_insert_default();
    status.observed_generation = then.metadata.generation;
    status.phase = Some(decision.phase);
    decision.start.is_none() && !way_back && decide::settled(&then)
}

async fn give(client: &Client, job: &Job, time: u32) -> Result<(), kube::Error> {
    let given = job.spec.as_ref().is_some_and(|spec| spec.ttl_seconds_after_finished.is_some());
    if given || finished(job).is_none() {
        return Ok(());
    }
    let jobs: Api<Job> = Api::namespaced(client.clone(), &job.namespace().unwrap_or_default());
    let patch = json!({ "spec": { "ttlSecondsAfterFinished": time } });
    let parameters =
        PatchParams { field_manager: Some(names::OPERATOR.to_owned()), ..PatchParams::default() };
    reached("operator.job.expire")?;
    match jobs.patch(&job.name_any(), &parameters, &Patch::Merge(&patch)).await {
        Ok(_) => reached("operator.job.expired"),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        // Roles of an older version. It stays as long as its object.
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            log("warning", &job.name_any(), &format!("the Job stays: {}", status.message));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{migration, settings};
    use super::super::work::Work;
    use super::*;
    use crate::contract::Kind;

    #[test]
    fn what_failed_keeps_the_jobs_of_its_spec() {
        let one = migration(|_| {});
        let work = Work {
            kind: Kind::Apply,
            approved: None,
            before: 0,
            left: None,
            login: None,
            image: None,
            why: None,
        };
        let job = super::super::build::job(&one, &work, &settings()).unwrap();
        let other = migration(|m| m["spec"]["database"]["database"] = json!("billing"));
        for (phase, of_it, of_another) in
            [(Phase::Succeeded, true, true), (Phase::Failed, false, true), (Phase::RolledBack, false, true)]
        {
            assert_eq!((goes(&job, &one, phase), goes(&job, &other, phase)), (of_it, of_another), "{phase}");
        }
    }
}
