//! Gates: what the application around the database must fulfil before a change and after it.
//!
//! Here is what looks at Pods and metrics; what follows from it is decided in `migration::gate`.

pub mod bake;
mod http;
mod metrics_api;
pub mod pod_metrics;
mod pods;
pub mod prometheus;
pub mod threshold;
pub mod version;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Api, ListParams};
use kube::core::Selector;
use kube::{Client, ResourceExt};

use cofferdam_api::DatabaseMigration;
use cofferdam_api::checks::{MetricCheck, MetricSource, MinPodVersion, PreChecks};

use metrics_api::Question;
use prometheus::{Address, Prometheus};
use threshold::{Reading, Verdict, judge};

/// Pods are listed so many at a time.
const PAGE: u32 = 500;
/// What nobody asked about for so long is forgotten.
const FORGET: Duration = Duration::from_secs(3600);

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Looked {
    /// What stands against the versions of Pods, each with words for people.
    pub pods: Vec<String>,
    /// Metrics, by their names.
    pub metrics: BTreeMap<String, Reading>,
    /// For how long each metric has lain within its limit without a break.
    pub held: BTreeMap<String, Duration>,
}

/// What looks.
pub struct Gates {
    client: Client,
    prometheus: Option<Result<Prometheus, String>>,
    memory: Mutex<HashMap<String, Memory>>,
}

/// The last look before a change, by the UID of the object. It is kept because everything that happens to an object
/// has it looked at again, also what we write ourselves: a value that moves must not drive us round.
struct Memory {
    /// What it was for: another spec is another question.
    key: String,
    at: Timestamp,
    looked: Looked,
    since: BTreeMap<String, Timestamp>,
}

impl Gates {
    /// With the administrator's Prometheus, if there is one.
    pub fn new(client: Client, prometheus: Option<&Address>) -> Self {
        Self { client, prometheus: prometheus.map(Prometheus::new), memory: Mutex::default() }
    }

    /// Looks at all that is asked before a change; `key` names the spec. A look that is younger than the pause is the
    /// answer again.
    pub async fn before(
        &self,
        migration: &DatabaseMigration,
        checks: &PreChecks,
        (key, pause): (&str, Duration),
    ) -> Looked {
        let uid = migration.uid().unwrap_or_default();
        let now = Timestamp::now();
        let mut since = BTreeMap::new();
        if let Some(last) = self.memory().get(&uid).filter(|last| last.key == key) {
            // A clock that was put back: as if nobody had looked.
            let age = Duration::try_from(now.duration_since(last.at)).unwrap_or(Duration::MAX);
            // A second less: what was asked for in time comes in time.
            if age < pause.saturating_sub(Duration::from_secs(1)) {
                return last.looked.clone();
            }
            // Nobody knows what was in a time without looks.
            if age < pause * 3 {
                since.clone_from(&last.since);
            }
        }
        let namespace = migration.namespace().unwrap_or_default();
        let mut looked = Looked::default();
        for check in &checks.min_pod_versions {
            looked.pods.extend(self.versions(&namespace, check).await);
        }
        let metrics: Vec<&MetricCheck> = checks.metrics.iter().collect();
        for (check, reading) in metrics.iter().zip(self.all(&namespace, &metrics, now).await) {
            let name = check.name.to_string();
            match judge(check, &reading) {
                Verdict::Holds(_) => {
                    let first = *since.entry(name.clone()).or_insert(now);
                    let held = Duration::try_from(now.duration_since(first)).unwrap_or_default();
                    looked.held.insert(name.clone(), held);
                }
                Verdict::Breached(_) | Verdict::Unread(_) => {
                    since.remove(&name);
                }
            }
            looked.metrics.insert(name, reading);
        }
        let mut memory = self.memory();
        memory.retain(|_, of| Duration::try_from(now.duration_since(of.at)).is_ok_and(|age| age < FORGET));
        memory.insert(uid, Memory { key: key.to_owned(), at: now, looked: looked.clone(), since });
        looked
    }

    /// Looks at these metrics.
    pub async fn after(&self, migration: &DatabaseMigration, checks: &[&MetricCheck]) -> Looked {
        let namespace = migration.namespace().unwrap_or_default();
        let mut looked = Looked::default();
        let readings = self.all(&namespace, checks, Timestamp::now()).await;
        looked.metrics.extend(checks.iter().map(|check| check.name.to_string()).zip(readings));
        looked
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, HashMap<String, Memory>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn versions(&self, namespace: &str, check: &MinPodVersion) -> Option<String> {
        match found(&self.client, namespace, &check.selector).await {
            Ok((selector, pods)) => pods::judge(check, &selector, &pods),
            Err(why) => Some(why),
        }
    }

    /// Side by side: servers that give no answer must not add up.
    async fn all(&self, namespace: &str, checks: &[&MetricCheck], now: Timestamp) -> Vec<Reading> {
        futures::future::join_all(checks.iter().map(|check| self.read(namespace, check, now))).await
    }

    async fn read(&self, namespace: &str, check: &MetricCheck, now: Timestamp) -> Reading {
        let question = |selector, pods| Question { namespace, check, selector, pods, now };
        match check.source {
            MetricSource::Prometheus => match &self.prometheus {
                None => Err("the operator knows no Prometheus; its administrator names it with metrics.prometheusUrl \
                             of the chart"
                    .into()),
                Some(Err(why)) => Err(format!("the operator's Prometheus: {why}")),
                Some(Ok(prometheus)) => prometheus.read(check.query.as_deref().unwrap_or_default()).await,
            },
            MetricSource::Custom => {
                let target = check.target.as_ref().and_then(|target| target.pods.as_ref());
                let Some(target) = target else { return question("", &[]).custom(&self.client).await };
                let (selector, pods) = found(&self.client, namespace, &target.selector).await?;
                let serving = pods.iter().filter(|pod| pods::counts(pod) && pods::is_ready(pod));
                let serving: Vec<String> = serving.map(ResourceExt::name_any).collect();
                question(&selector, &serving).custom(&self.client).await
            }
            MetricSource::External => {
                let selector = check.metric_selector.as_ref().map(selector_text).transpose()?;
                question(&selector.unwrap_or_default(), &[]).external(&self.client).await
            }
        }
    }
}

/// The Pods of a selector, which is given as text too.
async fn found(
    client: &Client,
    namespace: &str,
    selector: &LabelSelector,
) -> Result<(String, Vec<Pod>), String> {
    let text = selector_text(selector)?;
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut parameters = ListParams::default().labels(&text).limit(PAGE);
    let mut pods = Vec::new();
    loop {
        let page = api.list(&parameters).await.map_err(|e| match e {
            kube::Error::Api(status) => format!("Pods with {text}: {}", status.message),
            other => format!("Pods with {text}: {other}"),
        })?;
        pods.extend(page.items);
        match page.metadata.continue_ {
            Some(token) if !token.is_empty() => parameters.continue_token = Some(token),
            _ => break,
        }
    }
    pods.sort_by_key(ResourceExt::name_any);
    Ok((text, pods))
}

fn selector_text(selector: &LabelSelector) -> Result<String, String> {
    let selector = Selector::try_from(selector.clone()).map_err(|e| format!("the selector: {e}"))?;
    Ok(selector.to_string())
}
