//! How busy the Pods of a database server are: `metrics.k8s.io`, which metrics-server or an adapter serves, against what
//! their containers may use at most.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::sync::OnceCell;

use cofferdam_api::validation::ServerPods;

use super::http::{encoded, get};
use super::metrics_api::{Group, document, served};
use super::threshold::quantity;
use super::{found, pods, selector_text};

const METRICS: Group = Group { name: "metrics.k8s.io", versions: &["v1beta1"], by: "metrics-server" };

/// An older value says nothing of now. What serves the API looks at each node every 15 to 60 seconds.
const STALE: Duration = Duration::from_secs(120);

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Time on processors.
    Cpu,
    /// Memory that cannot be taken away from it.
    Memory,
}

impl Resource {
    /// As limits and metrics name it.
    fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
}

/// What reads it, of the Pods of one database.
pub struct PodMetrics {
    namespace: String,
    server: ServerPods,
    client: OnceCell<Client>,
}

impl PodMetrics {
    /// In the cluster that the process runs in, or that `KUBECONFIG` names; it is first spoken to by [`Self::share`].
    pub fn new(namespace: String, server: ServerPods) -> Self {
        Self { namespace, server, client: OnceCell::new() }
    }

    /// Where it is read, for people.
    pub fn source(&self) -> String {
        let selector = selector_text(&self.server.selector).unwrap_or_default();
        format!("{}, of Pods with {selector}", METRICS.name)
    }

    /// The share of what its container may use at most, from 0 to 1; of several Pods the highest.
    ///
    /// # Errors
    /// Why there is no value; for people. A Pod without a value, a value that is old or in no known unit, and a container
    /// without a limit are none: what cannot be read is not low.
    pub async fn share(&self, of: Resource) -> Result<f64, String> {
        let client = self.client.get_or_try_init(crate::client).await?;
        let (selector, mut pods) = found(client, &self.namespace, &self.server.selector).await?;
        pods.retain(pods::counts);
        let version = served(client, &METRICS).await?;
        let namespace = encoded(&self.namespace);
        let path = format!(
            "/apis/{}/{version}/namespaces/{namespace}/pods?labelSelector={}",
            METRICS.name,
            encoded(&selector)
        );
        let document = document(&get(client, &path).await?, METRICS.name)?;
        highest(&self.server, &selector, &pods, &document, (of, Timestamp::now()))
    }
}

fn highest(
    server: &ServerPods,
    selector: &str,
    pods: &[Pod],
    document: &Value,
    (of, now): (Resource, Timestamp),
) -> Result<f64, String> {
    let items = document["items"].as_array();
    let items = items.ok_or_else(|| format!("{} answered with no list of Pods", METRICS.name))?;
    let shares = pods.iter().map(|pod| {
        let name = pod.name_any();
        let container = pods::container(server.container_name.as_ref(), pod).ok_or_else(|| {
            let wanted = server.container_name.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("Pod {name} has no container {wanted}")
        })?;
        let limit = limit(container, pod, of).ok_or_else(|| {
            format!(
                "container {} of Pod {name} has no limit of {}, and a share is one of a limit",
                container.name,
                of.word()
            )
        })?;
        let item = items.iter().find(|item| item["metadata"]["name"] == *name);
        let item = item.ok_or_else(|| format!("there is no value of Pod {name}"))?;
        Ok(used(item, &container.name, of, now).map_err(|why| format!("of Pod {name} {why}"))? / limit)
    });
    let shares: Vec<f64> = shares.collect::<Result<_, String>>()?;
    shares.into_iter().reduce(f64::max).ok_or_else(|| format!("no Pod is there with {selector}"))
}

/// What the container may use at most: as the kubelet has set it, which differs from what is asked for while that is
/// being changed.
fn limit(container: &Container, pod: &Pod, of: Resource) -> Option<f64> {
    let statuses = pod.status.iter().flat_map(|status| {
        status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten())
    });
    let mut set =
        statuses.filter(|status| status.name == container.name).filter_map(|s| s.resources.as_ref());
    let limits = set.next().or(container.resources.as_ref())?.limits.as_ref()?;
    let Quantity(text) = limits.get(of.word())?;
    quantity(text).filter(|limit| *limit > 0.0)
}

/// What a container used, in processors or bytes.
fn used(item: &Value, container: &str, of: Resource, now: Timestamp) -> Result<f64, String> {
    let at: Option<Timestamp> = item["timestamp"].as_str().and_then(|at| at.parse().ok());
    let at = at.ok_or("the value has no time")?;
    // A clock that goes ahead is no reason.
    let age = Duration::try_from(now.duration_since(at)).unwrap_or_default();
    if age > STALE {
        return Err(format!("the value is {} s old", age.as_secs()));
    }
    let mut containers = item["containers"].as_array().into_iter().flatten();
    let found = containers.find(|found| found["name"] == *container);
    let text = found.ok_or_else(|| format!("there is no value of container {container}"))?["usage"]
        [of.word()]
    .as_str()
    .unwrap_or_default();
    let value = quantity(text).filter(|value| *value >= 0.0);
    value.ok_or_else(|| format!("{text:?} is no amount of {}", of.word()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(change: impl FnOnce(&mut Value)) -> Value {
        let mut pod = json!({
            "metadata": { "name": "db-0" },
            "spec": { "containers": [
                { "name": "postgres", "resources": { "limits": { "cpu": "2", "memory": "1Gi" } } },
                { "name": "exporter", "resources": { "limits": { "cpu": "100m" } } },
            ] },
            "status": { "phase": "Running" },
        });
        change(&mut pod);
        pod
    }

    fn metrics(change: impl FnOnce(&mut Value)) -> Value {
        let mut metrics = json!({
            "metadata": { "name": "db-0" },
            "timestamp": "2026-11-21T09:59:30Z",
            "window": "15s",
            "containers": [
                { "name": "exporter", "usage": { "cpu": "50m", "memory": "20Mi" } },
                { "name": "postgres", "usage": { "cpu": "250m", "memory": "768Mi" } },
            ],
        });
        change(&mut metrics);
        metrics
    }

    fn said(container: Option<&str>, of: Resource, pods: &[Value], items: &[Value]) -> Result<f64, String> {
        let mut server = json!({ "selector": { "matchLabels": { "app": "db" } } });
        if let Some(name) = container {
            server["containerName"] = json!(name);
        }
        let pods: Vec<Pod> = pods.iter().map(|pod| serde_json::from_value(pod.clone()).unwrap()).collect();
        highest(
            &serde_json::from_value(server).unwrap(),
            "app=db",
            &pods,
            &json!({ "kind": "PodMetricsList", "items": items }),
            (of, "2026-11-21T10:00:00Z".parse().unwrap()),
        )
    }

    #[test]
    fn a_share_is_of_the_limit_in_the_same_unit() {
        let (one, value) = (pod(|_| {}), metrics(|_| {}));
        let both =
            |container, of| said(container, of, std::slice::from_ref(&one), std::slice::from_ref(&value));
        assert_eq!(both(None, Resource::Cpu), Ok(0.125));
        assert_eq!(both(None, Resource::Memory), Ok(0.75));
        assert_eq!(both(Some("postgres"), Resource::Memory), Ok(0.75));
        assert_eq!(both(Some("exporter"), Resource::Cpu), Ok(0.5));
        for (cpu, limit, expected) in
            [("1500000000n", "2", 0.75), ("1", "2000m", 0.5), ("250000u", "500m", 0.5)]
        {
            let one = pod(|p| p["spec"]["containers"][0]["resources"]["limits"]["cpu"] = json!(limit));
            let value = metrics(|m| m["containers"][1]["usage"]["cpu"] = json!(cpu));
            assert_eq!(said(None, Resource::Cpu, &[one], &[value]), Ok(expected), "{cpu} of {limit}");
        }
    }

    #[test]
    fn the_highest_of_several_counts_and_each_needs_a_value() {
        let second = pod(|p| p["metadata"]["name"] = json!("db-1"));
        let busy = metrics(|m| {
            m["metadata"]["name"] = json!("db-1");
            m["containers"][1]["usage"]["cpu"] = json!("1900m");
        });
        let pods = [pod(|_| {}), second];
        assert_eq!(said(None, Resource::Cpu, &pods, &[metrics(|_| {}), busy]), Ok(0.95));
        let missing = said(None, Resource::Cpu, &pods, &[metrics(|_| {})]);
        assert_eq!(missing, Err("there is no value of Pod db-1".to_owned()));
    }

    /// The kubelet has not yet given it what the spec asks for.
    #[test]
    fn the_limit_is_the_one_that_is_set() {
        let growing = pod(|p| {
            p["status"]["containerStatuses"] = json!([{
                "name": "postgres", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "resources": { "limits": { "cpu": "500m" } },
            }]);
        });
        assert_eq!(said(None, Resource::Cpu, &[growing], &[metrics(|_| {})]), Ok(0.5));
    }

    #[test]
    fn what_cannot_be_read_is_not_low() {
        let value = |change: fn(&mut Value)| metrics(change);
        for (pods, items, expected) in [
            (vec![], vec![value(|_| {})], "no Pod is there with app=db"),
            (vec![pod(|_| {})], vec![], "there is no value of Pod db-0"),
            (
                vec![pod(|_| {})],
                vec![value(|m| m["timestamp"] = json!("2026-11-21T09:57:00Z"))],
                "of Pod db-0 the value is 180 s old",
            ),
            (
                vec![pod(|_| {})],
                vec![value(|m| m["timestamp"] = json!(null))],
                "of Pod db-0 the value has no time",
            ),
            (
                vec![pod(|_| {})],
                vec![value(|m| m["containers"][1]["usage"]["cpu"] = json!("1 core"))],
                "of Pod db-0 \"1 core\" is no amount of cpu",
            ),
            (
                vec![pod(|_| {})],
                vec![value(|m| m["containers"][1]["usage"] = json!({}))],
                "of Pod db-0 \"\" is no amount of cpu",
            ),
            (
                vec![pod(|_| {})],
                vec![value(|m| m["containers"][1]["usage"]["cpu"] = json!("-1"))],
                "of Pod db-0 \"-1\" is no amount of cpu",
            ),
            (
                vec![pod(|_| {})],
                vec![value(|m| m["containers"] = json!([]))],
                "of Pod db-0 there is no value of container postgres",
            ),
            (
                vec![pod(|p| {
                    p["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "1" } })
                })],
                vec![value(|_| {})],
                "container postgres of Pod db-0 has no limit of cpu, and a share is one of a limit",
            ),
            (
                vec![pod(|p| p["spec"]["containers"][0]["resources"]["limits"]["cpu"] = json!("0"))],
                vec![value(|_| {})],
                "container postgres of Pod db-0 has no limit of cpu, and a share is one of a limit",
            ),
        ] {
            assert_eq!(said(None, Resource::Cpu, &pods, &items).unwrap_err(), expected);
        }
        let other = said(Some("mysql"), Resource::Cpu, &[pod(|_| {})], &[metrics(|_| {})]);
        assert_eq!(other.unwrap_err(), "Pod db-0 has no container mysql");
    }
}
