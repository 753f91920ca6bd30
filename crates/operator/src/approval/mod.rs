//! The controller of MigrationApprovals: says in each what became of it. What a word does is decided where its
//! DatabaseMigration is; here nothing is begun and nothing held.

pub mod judge;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::json;

use cofferdam_api::{DatabaseMigration, MigrationApproval, names};

use crate::failpoint::reached;
use crate::lease::Election;
use crate::log::log;
use judge::Seen;

/// Until the next try after the API refused something.
const RETRY: Duration = Duration::from_secs(15);
/// How many are looked at at once.
const LOOKS: u16 = 4;

/// One that cannot be read must not stop the others.
type Guarded = DeserializeGuard<MigrationApproval>;

struct Context {
    client: Client,
    election: Arc<Election>,
}

/// Says of the approvals of one namespace, or of all, what became of them, until the future is dropped.
pub async fn run(client: Client, namespace: Option<&str>, election: Arc<Election>) {
    let approvals: Api<Guarded> = of(&client, namespace);
    let migrations: Api<PartialObjectMeta<DatabaseMigration>> = of(&client, namespace);
    let controller = Controller::new(approvals, watcher::Config::default());
    let known = controller.store();
    let context = Arc::new(Context { client, election });
    controller
        .with_config(Config::default().concurrency(LOOKS))
        // Another plan, or a run that began. What is new is read when the approval is looked at.
        .watches(migrations, watcher::Config::default(), move |migration| {
            let (name, namespace) = (migration.name_any(), migration.namespace());
            let of_it = known.state().into_iter().filter(move |known| {
                let Ok(approval) = &known.0 else { return false };
                approval.namespace() == namespace && approval.spec.migration_ref.name.as_str() == name
            });
            of_it.map(|known| ObjectRef::from_obj(&*known)).collect::<Vec<_>>()
        })
        .run(reconcile, again, context)
        .for_each(|_| std::future::ready(()))
        .await;
}

fn of<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

async fn reconcile(object: Arc<Guarded>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let Ok(approval) = &object.0 else { return Ok(Action::await_change()) };
    let namespace = approval.namespace().unwrap_or_default();
    let approvals: Api<MigrationApproval> = Api::namespaced(context.client.clone(), &namespace);
    // As it is now: what was written a moment ago is not written again.
    let Some(approval) = approvals.get_opt(&approval.name_any()).await? else {
        return Ok(Action::await_change());
    };
    if approval.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let name = approval.spec.migration_ref.name.as_str().to_owned();
    let migrations: Api<DatabaseMigration> = Api::namespaced(context.client.clone(), &namespace);
    let migration = migrations.get_opt(&name).await?;
    let mut all = approvals.list(&ListParams::default()).await?.items;
    all.retain(|other| other.spec.migration_ref.name.as_str() == name);
    let seen = Seen { approval, migration, all, now: Timestamp::now() };
    let status = judge::status(&seen);
    let next = judge::again(&seen).map_or_else(Action::await_change, Action::requeue);
    if seen.approval.status.as_ref() == Some(&status) {
        return Ok(next);
    }
    if !context.election.leads() {
        return Err(kube::Error::Service("the lease is not ours any more: nothing is written".into()));
    }
    // The UID keeps a status away from an object that has only the name.
    let patch = json!({
        "apiVersion": names::API_VERSION,
        "kind": "MigrationApproval",
        "metadata": { "name": seen.approval.name_any(), "uid": seen.approval.uid() },
        "status": status,
    });
    let parameters = PatchParams::apply(names::OPERATOR).force();
    reached("operator.approval.write")?;
    match approvals.patch_status(&seen.approval.name_any(), &parameters, &Patch::Apply(&patch)).await {
        Ok(_) => reached("operator.approval.written").map(|()| next),
        // It was deleted a moment ago.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Action::await_change()),
        Err(error) => Err(error),
    }
}

fn again(object: Arc<Guarded>, error: &kube::Error, _: Arc<Context>) -> Action {
    log("warning", &object.name_any(), &format!("the approval's status: {error}"));
    Action::requeue(RETRY)
}
