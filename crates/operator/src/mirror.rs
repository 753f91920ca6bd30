//! What a runner writes into the status of its DatabaseMigration, and what it reads of it.
//!
//! By server-side apply as the field manager of the runner, which owns all that the operator does not. A status that
//! cannot be written never fails a run: the journal in the database is the truth.

use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use cofferdam_api::names;
use cofferdam_api::{DatabaseMigration, DatabaseMigrationStatus};

/// One DatabaseMigration, as its runner sees it.
#[derive(Clone)]
pub struct Mirror {
    api: Api<DatabaseMigration>,
    name: String,
    uid: String,
}

/// Why it cannot be read.
#[derive(Debug)]
pub enum Unread {
    /// It was deleted, or another one has its name now.
    Gone,
    /// The API did not answer as it should; for people.
    Failed(String),
}

impl Mirror {
    /// In the cluster that the process runs in, or that `KUBECONFIG` names.
    ///
    /// # Errors
    /// What is wrong with the cluster's configuration, for people.
    pub async fn open(namespace: &str, name: &str, uid: &str) -> Result<Self, String> {
        let client = crate::client().await?;
        Ok(Self { api: Api::namespaced(client, namespace), name: name.to_owned(), uid: uid.to_owned() })
    }

    /// As it is now.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn read(&self) -> Result<DatabaseMigration, Unread> {
        match self.api.get_opt(&self.name).await {
            Ok(Some(found)) if found.uid().as_deref() == Some(&self.uid) => Ok(found),
            Ok(_) => Err(Unread::Gone),
            Err(e) => Err(Unread::Failed(e.to_string())),
        }
    }

    /// Writes all that the runner owns: what is not in it is removed from the status.
    ///
    /// # Errors
    /// What the API said, for people.
    pub async fn write(&self, status: &DatabaseMigrationStatus) -> Result<(), String> {
        // The UID keeps a runner from writing to one that has only the name of its own.
        let patch = json!({
            "apiVersion": names::API_VERSION,
            "kind": "DatabaseMigration",
            "metadata": { "name": self.name, "uid": self.uid },
            "status": status,
        });
        let parameters = PatchParams::apply(names::RUNNER).force();
        self.api
            .patch_status(&self.name, &parameters, &Patch::Apply(&patch))
            .await
            .map_err(|e| e.to_string())?;
        Ok(())
    }
}

/// Why one cannot be looked at; for people.
#[derive(Debug)]
pub enum Unseen {
    /// The account may not.
    Forbidden(String),
    /// The API did not answer as it should.
    Failed(String),
}

/// DatabaseMigrations of a namespace, for somebody who may only get them.
pub struct Onlooker(Api<DatabaseMigration>);

impl Onlooker {
    /// In the namespace; without one in that of the Pod, or of the kubeconfig.
    ///
    /// # Errors
    /// What is wrong with the cluster's configuration, for people.
    pub async fn open(namespace: Option<&str>) -> Result<Self, String> {
        let client = crate::client().await?;
        let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
        Ok(Self(Api::namespaced(client, &namespace)))
    }

    /// One of them as it is now; `None`: it is not there.
    ///
    /// # Errors
    /// [`Unseen`].
    pub async fn read(&self, name: &str) -> Result<Option<DatabaseMigration>, Unseen> {
        match self.0.get_opt(name).await {
            Ok(found) => Ok(found),
            Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => {
                Err(Unseen::Forbidden(status.message.clone()))
            }
            Err(e) => Err(Unseen::Failed(e.to_string())),
        }
    }
}
