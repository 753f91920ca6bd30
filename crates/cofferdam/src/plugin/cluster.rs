//! The cluster: reading what belongs to a DatabaseMigration, and writing what a person asks for.

use std::fmt::Debug;

use cofferdam_api::names::{LABEL_MIGRATION, PLUGIN};
use cofferdam_api::{DatabaseMigration, MigrationApproval};
use cofferdam_core::{Code, Refusal, Result};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::reach::ReachFlags;
use super::refused::fault;
use super::words::Words;

/// A cluster, and the namespace in it that is meant.
pub(crate) struct Cluster {
    client: Client,
    pub(crate) namespace: String,
}

/// What is asked of an object as it was seen.
pub(crate) enum Written {
    Done,
    /// Somebody else wrote it in between.
    Conflict,
}

impl Cluster {
    /// The cluster of the flags. It is not spoken to yet.
    pub(crate) async fn reach(flags: &ReachFlags) -> Result<Self> {
        let config = flags.config().await?;
        let namespace = config.default_namespace.clone();
        let client = cofferdam_operator::client_of(config).map_err(|why| {
            Refusal::new(Code::ClusterUnreachable, "the cluster's configuration cannot be used")
                .cause(why)
                .help("kubectl config view shows it; --context and --kubeconfig choose another")
        })?;
        Ok(Self { client, namespace })
    }

    /// The objects of a kind in the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The same way, with another namespace.
    pub(crate) fn within(&self, namespace: &str) -> Self {
        Self { client: self.client.clone(), namespace: namespace.to_owned() }
    }

    /// All DatabaseMigrations, by namespace and name; `everywhere`: of all namespaces.
    pub(crate) async fn all(
        &self,
        everywhere: bool,
        selector: Option<&str>,
    ) -> Result<Vec<DatabaseMigration>> {
        let api = match everywhere {
            true => Api::all(self.client.clone()),
            false => self.api(),
        };
        let parameters = ListParams { label_selector: selector.map(str::to_owned), ..ListParams::default() };
        let mut found = list(&api, &parameters, "reading the DatabaseMigrations").await?;
        found.sort_by_key(|one: &DatabaseMigration| (one.namespace(), one.name_any()));
        Ok(found)
    }

    /// The one that is named; without a name the only one of the namespace.
    pub(crate) async fn find(&self, name: Option<&str>, words: &Words) -> Result<DatabaseMigration> {
        let Some(name) = name else { return self.only(words).await };
        let doing = "reading the DatabaseMigration";
        let found = self.api::<DatabaseMigration>().get_opt(name).await.map_err(|e| fault(&e, doing))?;
        match found {
            Some(found) => Ok(found),
            None => Err(self.missing(name, words).await),
        }
    }

    /// Why there is none of this name: the kind is not there, or the object.
    async fn missing(&self, name: &str, words: &Words) -> cofferdam_core::Fault {
        let all = match self.all(false, None).await {
            Ok(all) => all,
            Err(fault) => return fault,
        };
        let names: Vec<String> = all.iter().map(ResourceExt::name_any).collect();
        let what = format!("there is no DatabaseMigration {name} in namespace {}", self.namespace);
        let there = match names.len() {
            0 => "there is none at all".to_owned(),
            _ => format!("there are {}", names.join(", ")),
        };
        let help = words.line("get --all-namespaces");
        Refusal::new(Code::NoSuchMigration, what).cause(there).help(help).into()
    }

    async fn only(&self, words: &Words) -> Result<DatabaseMigration> {
        let mut all = self.all(false, None).await?;
        match (all.len(), all.pop()) {
            (1, Some(one)) => Ok(one),
            (0, _) | (_, None) => {
                let what = format!("there is no DatabaseMigration in namespace {}", self.namespace);
                Err(Refusal::new(Code::NoSuchMigration, what).help(words.line("get --all-namespaces")).into())
            }
            (_, Some(last)) => {
                let names: Vec<String> = all.iter().chain([&last]).map(ResourceExt::name_any).collect();
                let what = format!("namespace {} has {} DatabaseMigrations", self.namespace, names.len());
                Err(Refusal::new(Code::NoSuchMigration, what)
                    .cause("none is named, and it is not clear which is meant")
                    .help(format!("name one of {}", names.join(", ")))
                    .into())
            }
        }
    }

    /// Its Jobs, the oldest first.
    pub(crate) async fn jobs(&self, of: &DatabaseMigration) -> Result<Vec<Job>> {
        let mut jobs = list(&self.api::<Job>(), &labelled(of), "reading the Jobs").await?;
        // One of an object that had the name before is not one of this.
        jobs.retain(|job| job.owner_references().iter().any(|owner| Some(&owner.uid) == of.uid().as_ref()));
        jobs.sort_by_key(|job| (job.creation_timestamp().map(|time| time.0), job.name_any()));
        Ok(jobs)
    }

    /// The Pods of its Jobs, the oldest first.
    pub(crate) async fn pods(&self, of: &DatabaseMigration) -> Result<Vec<Pod>> {
        let mut pods = list(&self.api::<Pod>(), &labelled(of), "reading the Pods").await?;
        pods.sort_by_key(|pod| (pod.creation_timestamp().map(|time| time.0), pod.name_any()));
        Ok(pods)
    }

    /// The approvals that name it, the oldest first.
    pub(crate) async fn approvals(&self, of: &DatabaseMigration) -> Result<Vec<MigrationApproval>> {
        let all = ListParams::default();
        let mut found =
            list(&self.api::<MigrationApproval>(), &all, "reading the MigrationApprovals").await?;
        found.retain(|approval| approval.spec.migration_ref.name.as_str() == of.name_any());
        found.sort_by_key(|approval| (approval.creation_timestamp().map(|time| time.0), approval.name_any()));
        Ok(found)
    }

    /// The events about objects with these UIDs.
    pub(crate) async fn events(&self, uids: impl IntoIterator<Item = String>) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        for uid in uids {
            let about = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
            events.extend(list(&self.api::<Event>(), &about, "reading the events").await?);
        }
        Ok(events)
    }

    /// Writes into an object, if nobody else has since it was seen.
    pub(crate) async fn write(&self, seen: &DatabaseMigration, mut patch: Value) -> Result<Written> {
        patch["metadata"]["resourceVersion"] = json!(seen.resource_version());
        patch["metadata"]["uid"] = json!(seen.uid());
        let parameters = PatchParams { field_manager: Some(PLUGIN.to_owned()), ..PatchParams::default() };
        let api = self.api::<DatabaseMigration>();
        match api.patch(&seen.name_any(), &parameters, &Patch::Merge(&patch)).await {
            Ok(_) => Ok(Written::Done),
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(Written::Conflict),
            Err(error) => Err(fault(&error, "changing the DatabaseMigration")),
        }
    }

    /// Creates an object. `None`: one of this name is there.
    pub(crate) async fn create<K>(&self, object: &K, doing: &str) -> Result<Option<K>>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + serde::Serialize,
        K::DynamicType: Default,
    {
        let parameters = PostParams { field_manager: Some(PLUGIN.to_owned()), ..PostParams::default() };
        match self.api::<K>().create(&parameters, object).await {
            Ok(made) => Ok(Some(made)),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
            Err(error) => Err(fault(&error, doing)),
        }
    }

    /// Removes an object, and what belongs to it, if it is still as it was seen. Returns whether it was.
    pub(crate) async fn remove<K>(&self, seen: &K, doing: &str) -> Result<bool>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
        K::DynamicType: Default,
    {
        let as_seen = Preconditions { uid: seen.uid(), resource_version: seen.resource_version() };
        let parameters = DeleteParams::background().preconditions(as_seen);
        match self.api::<K>().delete(&seen.name_any(), &parameters).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(false),
            Err(error) => Err(fault(&error, doing)),
        }
    }

    /// The name of the account that acts; `None` where the cluster does not say.
    pub(crate) async fn who(&self) -> Option<String> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let made = api.create(&PostParams::default(), &SelfSubjectReview::default()).await.ok()?;
        made.status?.user_info?.username
    }
}

fn labelled(of: &DatabaseMigration) -> ListParams {
    ListParams::default().labels(&format!("{LABEL_MIGRATION}={}", of.name_any()))
}

async fn list<K>(api: &Api<K>, parameters: &ListParams, doing: &str) -> Result<Vec<K>>
where
    K: Clone + Debug + DeserializeOwned,
{
    Ok(api.list(parameters).await.map_err(|error| fault(&error, doing))?.items)
}
