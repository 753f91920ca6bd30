//! The cluster with the definitions of our kinds in it and no operator of its own at work.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::product::Product;
use super::api::Api;
use crate::cluster::{self, Cluster};
use crate::machine::{output, root};

const SYSTEM: &str = "cofferdam-system";

/// What every measure needs.
pub(super) struct Ground<'p> {
    pub(super) product: &'p Product,
    /// For what a measure writes.
    pub(super) folder: TempDir,
    pub(super) api: Api,
    pub(super) kubeconfig: String,
    /// Under which address Pods reach this machine.
    pub(super) host: String,
    /// Ours, with its digest.
    pub(super) image: String,
    kubectl: String,
    helm: String,
    /// The chart was installed by somebody else before.
    installed: bool,
    /// Last, because all else needs it.
    _cluster: Cluster,
}

/// A namespace of a measure; it goes with the value.
pub(super) struct Namespace<'g> {
    ground: &'g Ground<'g>,
    pub(super) name: &'static str,
}

impl<'p> Ground<'p> {
    /// Brings the cluster up if it is not, with our image in its registry.
    pub(super) fn new(product: &'p Product) -> Result<Self, String> {
        let cluster = cluster::for_tests(&product.program)?;
        let variables = cluster.variables();
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone()).ok_or_else(|| format!("the cluster has no {name}"))
        };
        let (kubectl, kubeconfig) = (variable("KUBECTL")?, variable("KUBECONFIG")?);
        let mut ground = Self {
            product,
            folder: TempDir::new().map_err(|e| e.to_string())?,
            api: Api::open(&kubectl, &kubeconfig)?,
            host: variable("HOST_ADDRESS")?,
            image: format!(
                "{}@{}",
                variable("COFFERDAM_IMAGE_REPOSITORY")?,
                variable("COFFERDAM_IMAGE_DIGEST")?
            ),
            helm: variable("HELM")?,
            kubectl,
            kubeconfig,
            installed: false,
            _cluster: cluster,
        };
        ground.installed = ground.helm(&["status", "cofferdam"]).is_ok();
        // The chart of this tree without an operator: what is measured is the one that we start.
        let chart = root().join("charts/cofferdam").display().to_string();
        ground.helm(&[
            "upgrade",
            "--install",
            "cofferdam",
            &chart,
            "--create-namespace",
            "--set",
            "replicaCount=0",
            "--wait",
            "--timeout",
            "120s",
        ])?;
        Ok(ground)
    }

    /// What kubectl prints.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        output(Command::new(&self.kubectl).args(["--kubeconfig", &self.kubeconfig]).args(arguments))
    }

    fn helm(&self, arguments: &[&str]) -> Result<String, String> {
        let home = |folder: &str| self.folder.path().join("helm").join(folder);
        output(
            Command::new(&self.helm)
                .args(["--kubeconfig", &self.kubeconfig, "--namespace", SYSTEM])
                .args(arguments)
                .envs([
                    ("HELM_CACHE_HOME", home("cache")),
                    ("HELM_CONFIG_HOME", home("config")),
                    ("HELM_DATA_HOME", home("data")),
                ]),
        )
    }

    /// A new namespace. What an earlier run left goes first.
    pub(super) fn namespace(&self, name: &'static str) -> Result<Namespace<'_>, String> {
        self.kubectl(&["delete", "namespace", name, "--ignore-not-found", "--wait", "--timeout=240s"])?;
        self.kubectl(&["create", "namespace", name])?;
        Ok(Namespace { ground: self, name })
    }
}

impl Drop for Ground<'_> {
    fn drop(&mut self) {
        let back =
            if self.installed { vec!["rollback", "cofferdam"] } else { vec!["uninstall", "cofferdam"] };
        if let Err(why) = self.helm(&back) {
            println!("the chart in the cluster is not as it was: {why}");
        }
    }
}

impl Namespace<'_> {
    /// The path of what is in it: `("apis/batch/v1", "jobs")`.
    pub(super) fn path(&self, group: &str, kind: &str) -> String {
        format!("/{group}/namespaces/{}/{kind}", self.name)
    }

    /// That of DatabaseMigrations.
    pub(super) fn migrations(&self) -> String {
        self.path("apis/cofferdam.dev/v1alpha1", "databasemigrations")
    }

    /// No Pod is made in it: only what the operator does is to be seen.
    pub(super) fn without_pods(&self) -> Result<(), String> {
        self.create(
            "api/v1",
            "resourcequotas",
            &json!({ "metadata": { "name": "none" }, "spec": { "hard": { "pods": "0" } } }),
        )
    }

    /// Makes an object in it.
    pub(super) fn create(&self, group: &str, kind: &str, object: &Value) -> Result<(), String> {
        self.ground.api.connect()?.create(&self.path(group, kind), object)
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if let Err(why) = self.ground.kubectl(&["delete", "namespace", self.name, "--wait=false"]) {
            println!("the namespace {} is left: {why}", self.name);
        }
    }
}

/// How long anything of a measure may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(240);
