//! Looking at everything that a decision needs. Read from the API each time and not from a cache: an operator that was
//! asleep must not act on the past.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use cofferdam_api::names::LABEL_MIGRATION;
use cofferdam_api::{DatabaseMigration, MigrationApproval};

use super::gate;
use super::line::Line;
use super::seen::{Seen, age, finished, running};
use super::work;

/// The kubelet says within this time all that is missing at one try; the next one comes later.
const SAME_TRY: Duration = Duration::from_secs(2);

/// Looks. `None`: the object is gone, or another one has its name now.
///
/// # Errors
/// What the API said.
pub async fn observe(
    client: &Client,
    known: &DatabaseMigration,
    line: &Line,
) -> Result<Option<Seen>, kube::Error> {
    let namespace = known.namespace().unwrap_or_default();
    let migrations: Api<DatabaseMigration> = Api::namespaced(client.clone(), &namespace);
    let Some(migration) = migrations.get_opt(&known.name_any()).await? else { return Ok(None) };
    if migration.uid() != known.uid() || migration.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let name = migration.name_any();
    let of_this = ListParams::default().labels(&format!("{LABEL_MIGRATION}={name}"));
    let api: Api<Job> = Api::namespaced(client.clone(), &namespace);
    let mut jobs = api.list(&of_this).await?.items;
    // A Job of an object that had the same name before is not one of this.
    jobs.retain(|job| job.owner_references().iter().any(|o| Some(&o.uid) == migration.uid().as_ref()));
    // Times are in whole seconds: the name decides between two of the same.
    jobs.sort_by_key(|job| (job.creation_timestamp().map(|t| t.0), order(job), job.name_any()));
    let mut pods = Vec::new();
    let mut warnings = Vec::new();
    // A container whose Job somebody removed may still be at work.
    if !jobs.is_empty() || migration.spec.migration.container.is_some() {
        let api: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        pods = api.list(&of_this).await?.items;
        pods.sort_by_key(|pod| (pod.creation_timestamp().map(|t| t.0), pod.name_any()));
        let now = Timestamp::now();
        // Listing events is dear, and of what is new there are none yet.
        let young = |job: &Job| age(job, now) < SAME_TRY;
        let quiet = jobs.iter().all(|job| finished(job).is_some() || young(job)) || pods.iter().any(running);
        if !quiet {
            warnings = warned(client, &namespace, &jobs, &pods).await?;
        }
    }
    let previous = match &migration.spec.migration.previous {
        Some(name) => migrations.get_opt(name.as_str()).await?,
        None => None,
    };
    let approvals = match migration.spec.approval.required {
        true => {
            let api: Api<MigrationApproval> = Api::namespaced(client.clone(), &namespace);
            let mut all = api.list(&ListParams::default()).await?.items;
            all.retain(|approval| approval.spec.migration_ref.name.as_str() == name);
            all
        }
        false => Vec::new(),
    };
    // Whoever makes a Job looks again when it is its turn. Here it matters only to those that would ask others first.
    let free = jobs.iter().all(|job| finished(job).is_some());
    let other = match gate::asked_before(&migration) {
        Some(_) if free => other(client, &migration, line).await?,
        _ => None,
    };
    let before = line.before(&migration);
    Ok(Some(Seen {
        migration,
        jobs,
        pods,
        warnings,
        previous,
        approvals,
        other,
        before,
        looked: None,
        now: Timestamp::now(),
    }))
}

/// Jobs that were made in the same second are in the order in which they follow from one another.
fn order(job: &Job) -> usize {
    super::seen::kind_of(job).map_or(0, |kind| kind as usize)
}

/// What the events of these Jobs and Pods warn of, the newest first.
async fn warned(
    client: &Client,
    namespace: &str,
    jobs: &[Job],
    pods: &[Pod],
) -> Result<Vec<String>, kube::Error> {
    let uids: BTreeSet<String> =
        jobs.iter().filter_map(ResourceExt::uid).chain(pods.iter().filter_map(ResourceExt::uid)).collect();
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let mut events = Vec::new();
    for uid in uids {
        let of_this = ListParams::default().fields(&format!("involvedObject.uid={uid},type=Warning"));
        events.extend(api.list(&of_this).await?.items);
    }
    let at = |event: &Event| {
        let last = event.last_timestamp.as_ref().map(|t| t.0);
        last.or_else(|| event.event_time.as_ref().map(|t| t.0))
            .or_else(|| event.creation_timestamp().map(|t| t.0))
    };
    events.sort_by_key(|event| std::cmp::Reverse(at(event)));
    // The kubelet says at every try what is missing: what it has said only before is there by now.
    let mounts = |event: &Event| event.reason.as_deref() == Some("FailedMount");
    if let Some(last) = events.iter().find(|event| mounts(event)).and_then(&at) {
        let old = last - SAME_TRY;
        events.retain(|event| !mounts(event) || at(event) >= Some(old));
    }
    Ok(events.into_iter().filter_map(|event| event.message).collect())
}

/// Another object that has a Job at work on the same database, as far as their specs say that it is the same, and does not
/// let this one pass. Where they do not say it, the lock in the database keeps them apart.
///
/// # Errors
/// What the API said.
pub async fn other(
    client: &Client,
    migration: &DatabaseMigration,
    line: &Line,
) -> Result<Option<String>, kube::Error> {
    let label = format!("{}={}", work::DATABASE, work::database(migration));
    let api: Api<Job> = Api::namespaced(client.clone(), &migration.namespace().unwrap_or_default());
    let jobs = api.list(&ListParams::default().labels(&label)).await?.items;
    let name = migration.name_any();
    let others = jobs.into_iter().filter(|job| finished(job).is_none());
    let mut others = others.filter_map(|job| job.labels().get(LABEL_MIGRATION).cloned());
    Ok(others.find(|other| *other != name && !line.passes(other, migration)))
}
