//! The operator: it watches DatabaseMigrations and has a runner carry each of them out in a Job.
//!
//! It talks to Kubernetes only and never opens a database. What a Secret holds it cannot read either: the kubelet
//! mounts it into the Pod of the runner.

pub mod approval;
pub mod contract;
mod failpoint;
pub mod gates;
pub mod http;
pub mod lease;
mod log;
pub mod metrics;
pub mod migration;
pub mod mirror;
pub mod outcome;
pub mod settings;
pub mod webhook;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, Config};

use lease::Election;
use log::log;
use metrics::{Looks, Metrics};
use settings::Settings;

/// How long the webhook goes on as if nothing had been after the process was asked to end.
const LINGER: Duration = Duration::from_secs(5);
/// How long it may take for the last answers then.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// A client of the cluster that the process runs in, or that `KUBECONFIG` names.
///
/// # Errors
/// What is wrong with the cluster's configuration.
pub async fn client() -> Result<Client, String> {
    let config = Config::infer().await.map_err(|e| format!("the cluster cannot be reached: {e}"))?;
    client_of(config)
}

/// A client of the cluster that a configuration names.
///
/// # Errors
/// What is wrong with the configuration.
pub fn client_of(config: Config) -> Result<Client, String> {
    // Where one is chosen already, it is this one: the lock file has no other.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::try_from(config).map_err(|e| format!("the cluster cannot be reached: {e}"))
}

/// Runs the operator until `stop` ends, then gives the lease back. `looks` is told of each look at an object.
///
/// # Errors
/// The cluster cannot be reached at all, the port is taken, or the lease was lost: then the process should end, and be
/// started again as one of those that wait for it.
pub async fn run(
    settings: Settings,
    looks: Option<Box<dyn Looks>>,
    stop: impl Future<Output = ()>,
) -> Result<(), String> {
    let client = client().await?;
    let metrics = Arc::new(Metrics::default());
    if let Some(looks) = looks {
        metrics.tell(looks);
    }
    let reporter =
        Reporter { controller: "cofferdam-operator".into(), instance: Some(settings.identity.clone()) };
    let recorder = Recorder::new(client.clone(), reporter);
    let election = Arc::new(Election::new(client.clone(), &settings));
    let leads = Arc::new(AtomicBool::new(false));
    let ready = Arc::new(AtomicBool::new(settings.webhook.is_none()));
    let lead = async {
        log("info", "", "waiting for the lease");
        let all = [None];
        let named: Vec<Option<&str>> = settings.namespaces.iter().map(|n| Some(n.as_str())).collect();
        let namespaces = if named.is_empty() { &all[..] } else { &named[..] };
        let mut known: Vec<migration::Known> =
            namespaces.iter().map(|namespace| migration::Known::new(client.clone(), *namespace)).collect();
        tokio::select! {
            () = election.won() => {}
            // It never ends.
            _ = futures::future::join_all(known.iter_mut().map(migration::Known::follow)) => {}
        }
        metrics.leads(true);
        leads.store(true, Ordering::Relaxed);
        log("info", "", "leading");
        let controllers = known.into_iter().map(|known| {
            migration::run(known, &settings, (recorder.clone(), metrics.clone(), election.clone()))
        });
        let words =
            namespaces.iter().map(|namespace| approval::run(client.clone(), *namespace, election.clone()));
        tokio::select! {
            _ = futures::future::join_all(controllers) => Err("the controllers ended".to_owned()),
            _ = futures::future::join_all(words) => Err("the controllers of approvals ended".to_owned()),
            () = election.lost() => Err("the lease was lost".to_owned()),
        }
    };
    let (close, closing) = tokio::sync::watch::channel(false);
    let answering = async {
        tokio::select! {
            result = http::serve(settings.port, metrics.clone(), ready.clone()) => {
                result.map_err(|e| format!("port {}: {e}", settings.port))
            }
            result = webhook::run(
                &client, &settings, metrics.clone(), (leads.clone(), ready.clone()), closing,
            ) => result,
        }
    };
    tokio::pin!(answering);
    let result = tokio::select! {
        result = &mut answering => result,
        result = lead => result,
        () = stop => Ok(()),
    };
    metrics.leads(false);
    leads.store(false, Ordering::Relaxed);
    if result.is_ok() {
        log("info", "", "stopped");
        election.give_back().await;
        if settings.webhook.is_some() {
            // Until every apiserver knows that this one is asked no more.
            let early = tokio::time::timeout(LINGER, &mut answering).await;
            if early.is_err() && close.send(true).is_ok() {
                let _ = tokio::time::timeout(LAST_ANSWERS, &mut answering).await;
            }
        }
    }
    result
}
