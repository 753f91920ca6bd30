//! The controller of DatabaseMigrations: observe, decide, build, apply, report.

pub mod agreement;
pub mod build;
pub mod check;
pub mod container;
pub mod container_job;
pub mod decide;
pub mod expire;
pub mod gaps;
pub mod gate;
pub mod gauges;
pub mod line;
mod notifying;
pub mod observe;
pub mod pending;
mod pod;
pub mod report;
pub mod seen;
pub mod work;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, PostParams};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::{self, Action, Config, Controller};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use tokio::sync::Semaphore;

use cofferdam_api::names::LABEL_MIGRATION;
use cofferdam_api::{
    ConditionType, DatabaseMigration, MigrationApproval, Phase, Reason, Standing, conditions,
};

use crate::failpoint::reached;
use crate::gates::{Gates, Looked};
use crate::lease::Election;
use crate::log::log;
use crate::metrics::Metrics;
use crate::settings::{RunnerSettings, Settings};
use decide::{Decision, decide};
use expire::Expiry;
use line::Line;
use report::Report;
use seen::Seen;

/// A look at everything, also where nothing tells: missed events must not matter.
const RESYNC: Duration = Duration::from_secs(15 * 60);
/// Until the next try after the API refused something.
const RETRY: Duration = Duration::from_secs(5);

/// How many objects are read at once: each page is a while in memory.
const PAGE: u32 = 250;

/// What every reconciliation needs.
pub struct Context {
    client: Client,
    recorder: Recorder,
    runner: RunnerSettings,
    metrics: Arc<Metrics>,
    gates: Gates,
    line: Line,
    election: Arc<Election>,
    /// Looks that ask the API for something, side by side: the others stand in line, and the first in it is the next.
    looks: Semaphore,
    expiry: Expiry,
}

impl Context {
    /// Before anything is written: what was seen may be of a time before another one led.
    fn still_leads(&self) -> Result<(), kube::Error> {
        match self.election.leads() {
            true => Ok(()),
            false => Err(kube::Error::Service("the lease is not ours any more: nothing is written".into())),
        }
    }
}

/// An object that may not be readable: one such must not stop the others.
type Guarded = DeserializeGuard<DatabaseMigration>;

/// What is kept of thousands is what tells whether there is something to do. All else is read when there is.
fn forget(object: &mut Guarded) {
    let metadata = object.meta_mut();
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

/// The objects of one namespace, or of all. They are known before this replica leads, so that it begins at once when it
/// does: to read thousands takes seconds.
pub struct Known {
    client: Client,
    namespace: Option<String>,
    store: Store<Guarded>,
    changes: BoxStream<'static, Result<Guarded, watcher::Error>>,
}

impl Known {
    /// Nothing is read before [`Known::follow`] or [`run`].
    pub fn new(client: Client, namespace: Option<&str>) -> Self {
        let (store, writer) = reflector::store();
        let changes = watcher(api(&client, namespace), watcher::Config::default().page_size(PAGE))
            .modify(forget)
            .default_backoff()
            .reflect(writer)
            .applied_objects()
            .boxed();
        Self { client, namespace: namespace.map(str::to_owned), store, changes }
    }

    /// Reads and follows them, until the future is dropped.
    pub async fn follow(&mut self) {
        while let Some(change) = self.changes.next().await {
            if let Err(error) = change {
                log("warning", "", &format!("a watch was interrupted and is begun again: {error}"));
            }
        }
        // Whoever waits for this to end would lead without a lease.
        std::future::pending().await
    }

    /// All that are there, once they are read, and then what changes.
    fn all(self) -> (Store<Guarded>, BoxStream<'static, Result<Guarded, watcher::Error>>) {
        let store = self.store.clone();
        let known = futures::stream::once(async move {
            // It ends without only where the changes end, too.
            let _ = store.wait_until_ready().await;
            futures::stream::iter(store.state()).map(|object| Ok((*object).clone()))
        });
        (self.store, futures::stream::select(known.flatten(), self.changes).boxed())
    }
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Reconciles the objects until the future is dropped.
pub async fn run(
    known: Known,
    settings: &Settings,
    (recorder, metrics, election): (Recorder, Arc<Metrics>, Arc<Election>),
) {
    let (client, namespace) = (known.client.clone(), known.namespace.clone());
    let namespace = namespace.as_deref();
    let (known, objects) = known.all();
    let (wake, woken) = futures::channel::mpsc::unbounded();
    let context = Arc::new(Context {
        client: client.clone(),
        recorder,
        runner: settings.runner.clone(),
        metrics,
        gates: Gates::new(client.clone(), settings.prometheus.as_ref()),
        line: Line::new(known.clone(), wake),
        election,
        looks: Semaphore::new(settings.concurrency.into()),
        expiry: Expiry::new(settings.runner.time_to_live),
    });
    let labelled = watcher::Config::default().labels(LABEL_MIGRATION);
    let of_label = |namespace: Option<String>, labels: &std::collections::BTreeMap<String, String>| {
        let name = labels.get(LABEL_MIGRATION)?;
        Some(ObjectRef::<Guarded>::new(name).within(&namespace?))
    };
    let left_over = context.clone();
    let left_over = left_over.expiry.left_over(&client, namespace, known.clone());
    // What a Job or a Pod is like is read when its object is looked at: that something is new is all there is to know.
    let controller = Controller::for_stream(objects, known)
        // The controller's own limit takes those that are over it in any order, so that with much to do some wait for
        // ever. Ours is `looks`.
        .with_config(Config::default().concurrency(0))
        .reconcile_on(woken)
        .watches(
            api::<PartialObjectMeta<Job>>(&client, namespace),
            labelled.clone(),
            move |job: PartialObjectMeta<Job>| of_label(job.namespace(), job.labels()),
        )
        .watches(
            api::<PartialObjectMeta<Pod>>(&client, namespace),
            labelled,
            move |pod: PartialObjectMeta<Pod>| of_label(pod.namespace(), pod.labels()),
        )
        .watches(
            api::<MigrationApproval>(&client, namespace),
            watcher::Config::default(),
            |approval: MigrationApproval| {
                let name = approval.spec.migration_ref.name.as_str().to_owned();
                Some(ObjectRef::<Guarded>::new(&name).within(&approval.namespace()?))
            },
        )
        .run(reconcile, again, context)
        .for_each(|looked| {
            // A look that failed was told by `again`.
            if let Err(controller::Error::QueueError(error)) = looked {
                log("warning", "", &format!("a watch was interrupted and is begun again: {error}"));
            }
            std::future::ready(())
        });
    futures::future::join(controller, left_over).await;
}

async fn reconcile(object: Arc<Guarded>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let meta = object.meta();
    let name = meta.name.as_deref().unwrap_or_default();
    let name = format!("{}/{name}", meta.namespace.as_deref().unwrap_or_default());
    let timer = context.metrics.reconciling(name);
    let result = match &object.0 {
        Ok(migration) => one(migration, &context).await,
        Err(invalid) => {
            // What the schema of the apiserver took and this version cannot read; the next version of it may do.
            let name = invalid.metadata.name.clone().unwrap_or_default();
            log("error", &name, &format!("the object cannot be read: {}", invalid.error));
            Ok(Action::await_change())
        }
    };
    timer.ended(&result);
    result
}

fn again(object: Arc<Guarded>, error: &kube::Error, context: Arc<Context>) -> Action {
    let _ = context;
    log("error", &object.meta().name.clone().unwrap_or_default(), &error.to_string());
    Action::requeue(RETRY)
}

async fn one(known: &DatabaseMigration, context: &Context) -> Result<Action, kube::Error> {
    // Thousands that have ended are looked at without asking for anything.
    if (decide::settled(known) || decide::rests(known)) && !context.expiry.owes(known) {
        context.metrics.stands(known);
        return Ok(Action::await_change());
    }
    // It is never closed.
    let _turn = context.looks.acquire().await;
    let mut seen = match observe::observe(&context.client, known, &context.line).await {
        Ok(Some(seen)) => seen,
        Ok(None) => {
            context.metrics.forget(known);
            return Ok(Action::await_change());
        }
        Err(kube::Error::Api(status)) if status.code == 403 => {
            forbidden(known, &status.message, context).await?;
            return Ok(Action::requeue(RETRY));
        }
        Err(error) => return Err(error),
    };
    let Some(mut decision) = decide(&seen) else {
        context.metrics.stands(&seen.migration);
        return Ok(Action::requeue(RESYNC));
    };
    if let Some(look) = decision.look {
        seen.looked = Some(looked(&seen, look, &context.gates).await);
        decision = decide(&seen).unwrap_or(decision);
    }
    context.still_leads()?;
    carry_out(&seen.migration, &mut decision, context).await?;
    context.still_leads()?;
    let report = Report::of(&seen.migration, &decision, seen.now);
    let ends = context.expiry.ends(&seen.migration, &decision);
    let new_run = report.history.first().map(|run| &run.run_id)
        != seen.migration.status.as_ref().and_then(|s| s.history.first()).map(|run| &run.run_id);
    if report::write(&context.client, &seen.migration, &report).await? {
        tell(&seen.migration, &decision, context).await;
        let before = seen.migration.status.as_ref().and_then(|status| status.phase);
        if decision.phase == Phase::RolledBack && before != Some(Phase::RolledBack) {
            context.metrics.taken_back(decision.reason);
        }
        if new_run && let Some(outcome) = &decision.ended {
            let job = seen.jobs.iter().find(|job| Some(job.name_any()) == decision.job);
            let began = job.and_then(|job| job.status.as_ref()?.start_time.as_ref()).map(|t| t.0);
            let took = began.map(|began| seen.now.duration_since(began).as_secs_f64());
            context.metrics.ran(outcome, took);
        }
    }
    if ends {
        context.expiry.settle(&context.client, &seen, decision.phase).await?;
    }
    context.metrics.is(&seen.migration, &decision);
    let at_work = seen.active().is_some() && decision.reason.standing() != Standing::Waiting;
    if !at_work && decision.start.is_none() && decision.reason != Reason::LockHeldByOther {
        context.line.goes_on(&seen.migration);
    }
    Ok(Action::requeue(decision.again.unwrap_or(RESYNC).min(RESYNC)))
}

/// Looks at what gates ask about.
async fn looked(seen: &Seen, look: gate::Look, gates: &Gates) -> Looked {
    match (look, gate::asked_before(&seen.migration)) {
        (gate::Look::Before, Some(checks)) => {
            let key = format!("{}/{}", work::base(&seen.migration), seen.jobs.len());
            gates.before(&seen.migration, checks, (&key, gate::pause(seen))).await
        }
        _ => gates.after(&seen.migration, &gate::due(seen)).await,
    }
}

/// The operator may not look at something that it has to see. Nothing is done meanwhile, and what is done goes on.
async fn forbidden(known: &DatabaseMigration, message: &str, context: &Context) -> Result<(), kube::Error> {
    let decision = decide::forbidden(known, message);
    context.still_leads()?;
    if report::write(&context.client, known, &Report::of(known, &decision, Timestamp::now())).await? {
        tell(known, &decision, context).await;
    }
    context.metrics.is(known, &decision);
    Ok(())
}

/// Makes and removes Jobs. What the API refuses for good becomes what is said.
async fn carry_out(
    migration: &DatabaseMigration,
    decision: &mut Decision,
    context: &Context,
) -> Result<(), kube::Error> {
    let jobs: Api<Job> = Api::namespaced(context.client.clone(), &migration.namespace().unwrap_or_default());
    if let Some(name) = &decision.stop {
        reached("operator.job.delete")?;
        match jobs.delete(name, &DeleteParams::background()).await {
            Ok(_) => reached("operator.job.deleted")?,
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    let Some(work) = &decision.start else { return Ok(()) };
    let job = match build::job(migration, work, &context.runner) {
        Ok(job) => job,
        Err(why) => {
            (decision.reason, decision.message) = (Reason::SpecInvalid, why);
            return Ok(());
        }
    };
    let _place = match context.line.begins(migration) {
        Ok(place) => place,
        Err(other) => {
            *decision = decide::gives_way(decision.clone(), &other);
            return Ok(());
        }
    };
    // Now, because a moment ago another one may have been where this one is.
    if let Some(other) = observe::other(&context.client, migration, &context.line).await? {
        *decision = decide::gives_way(decision.clone(), &other);
        return Ok(());
    }
    reached("operator.job.create")?;
    match jobs.create(&PostParams::default(), &job).await {
        Ok(_) => reached("operator.job.created"),
        // Made by an operator that did not live to say so.
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 403 || status.code == 422 => {
            decision.reason = match &status.message {
                m if m.contains("being terminated") => Reason::NamespaceTerminating,
                m if m.contains("exceeded quota") => Reason::QuotaExceeded,
                m if m.contains("admission webhook") => Reason::PodRejected,
                _ if status.code == 422 => Reason::SpecInvalid,
                _ => Reason::OperatorForbidden,
            };
            decision.message.clone_from(&status.message);
            decision.again = Some(RETRY);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// An event where the reason is another one than before.
async fn tell(migration: &DatabaseMigration, decision: &Decision, context: &Context) {
    let said = migration.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let before = conditions::find(said, ConditionType::Ready).map(|c| c.reason.as_str());
    if before == Some(decision.reason.word()) {
        return;
    }
    log(
        if decision.reason.warns() { "warning" } else { "info" },
        &migration.name_any(),
        &format!("{}: {}", decision.reason, decision.message),
    );
    let event = Event {
        type_: if decision.reason.warns() { EventType::Warning } else { EventType::Normal },
        reason: decision.reason.word().to_owned(),
        note: Some(crate::outcome::cut(&decision.message, 1000)),
        action: decision.phase.word().to_owned(),
        secondary: None,
    };
    // Nobody must wait for an event that cannot be written.
    let published = async {
        reached("operator.event.write")?;
        context.recorder.publish(&event, &migration.object_ref(&())).await?;
        reached("operator.event.written")
    };
    if let Err(error) = published.await {
        log("warning", &migration.name_any(), &format!("an event could not be written: {error}"));
    }
}
