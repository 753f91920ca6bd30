//! Metrics from the APIs of the cluster: `custom.metrics.k8s.io` and `external.metrics.k8s.io`, which an adapter serves.

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use serde_json::Value;

use cofferdam_api::checks::{MetricCheck, MetricTarget};

use super::http::{Answer, encoded, get};
use super::threshold::{Reading, quantity};

/// A group that the cluster serves only where something was installed.
pub(super) struct Group {
    pub(super) name: &'static str,
    /// Those that are understood, the best first.
    pub(super) versions: &'static [&'static str],
    /// Who serves it.
    pub(super) by: &'static str,
}

const CUSTOM: Group = Group {
    name: "custom.metrics.k8s.io",
    versions: &["v1beta2", "v1beta1"],
    by: "an adapter, for instance prometheus-adapter,",
};
const EXTERNAL: Group = Group { name: "external.metrics.k8s.io", versions: &["v1beta1"], by: CUSTOM.by };

/// An older value says nothing of now.
const STALE: Duration = Duration::from_secs(5 * 60);

/// What is read of one metric: `selector` says which Pods or series, `pods` which Pods serve and must have a value.
pub(super) struct Question<'a> {
    pub(super) namespace: &'a str,
    pub(super) check: &'a MetricCheck,
    pub(super) selector: &'a str,
    pub(super) pods: &'a [String],
    pub(super) now: Timestamp,
}

impl Question<'_> {
    /// From the custom metrics API.
    pub(super) async fn custom(&self, client: &Client) -> Reading {
        let path = self.custom_path(&served(client, &CUSTOM).await?)?;
        let values = values(&get(client, &path).await?, CUSTOM.name, self.now)?;
        if let Some(pod) = self.pods.iter().find(|pod| !values.iter().any(|(of, _)| of == *pod)) {
            return Err(format!("there is no value of Pod {pod}, which serves"));
        }
        Ok(values.into_iter().map(|(_, value)| value).collect())
    }

    /// From the external metrics API.
    pub(super) async fn external(&self, client: &Client) -> Reading {
        let path = self.external_path(&served(client, &EXTERNAL).await?)?;
        let values = values(&get(client, &path).await?, EXTERNAL.name, self.now)?;
        Ok(values.into_iter().map(|(_, value)| value).collect())
    }

    fn custom_path(&self, version: &str) -> Result<String, String> {
        let at = format!("/apis/{}/{version}/namespaces/{}", CUSTOM.name, encoded(self.namespace));
        let metric = self.metric()?;
        let query = match self.selector {
            "" => String::new(),
            some => format!("?labelSelector={}", encoded(some)),
        };
        match &self.check.target {
            Some(MetricTarget { object: Some(object), .. }) => {
                let (resource, name) = (segment(&object.resource)?, segment(object.name.as_str())?);
                Ok(format!("{at}/{resource}/{name}/{metric}"))
            }
            _ => Ok(format!("{at}/pods/*/{metric}{query}")),
        }
    }

    fn external_path(&self, version: &str) -> Result<String, String> {
        let query = match self.selector {
            "" => String::new(),
            some => format!("?labelSelector={}", encoded(some)),
        };
        let metric = self.metric()?;
        Ok(format!(
            "/apis/{}/{version}/namespaces/{}/{metric}{query}",
            EXTERNAL.name,
            encoded(self.namespace)
        ))
    }

    fn metric(&self) -> Result<String, String> {
        segment(self.check.metric_name.as_deref().unwrap_or_default())
    }
}

/// One part of a path. A metric's name may have a slash in it, but must not lead to another place: proxies take an
/// encoded slash for one, too.
fn segment(name: &str) -> Result<String, String> {
    if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(format!("{name:?} is not a name"));
    }
    Ok(encoded(name))
}

/// The best version of a group that the cluster has.
pub(super) async fn served(client: &Client, group: &Group) -> Result<String, String> {
    let Group { name, versions, by } = group;
    let answer = get(client, &format!("/apis/{name}")).await?;
    if answer.status == 404 {
        return Err(format!("the cluster has no {name}: {by} is missing"));
    }
    let document = document(&answer, name)?;
    let has = |version: &&&str| {
        document["versions"].as_array().is_some_and(|all| all.iter().any(|v| v["version"] == ***version))
    };
    let found =
        versions.iter().find(has).ok_or_else(|| format!("{name} has none of {}", versions.join(", ")))?;
    Ok((*found).to_owned())
}

/// What a group answered, or the words with which it did not.
pub(super) fn document(answer: &Answer, group: &str) -> Result<Value, String> {
    let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status == 200 {
        return Ok(document);
    }
    let said = document["message"].as_str().map(str::to_owned);
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned());
    let said = crate::outcome::cut(said.replace(char::is_control, " ").trim(), 300);
    Err(format!("{group} answered {}: {said}", answer.status))
}

/// The values of an answer, each with what it is of.
fn values(answer: &Answer, group: &str, now: Timestamp) -> Result<Vec<(String, f64)>, String> {
    let document = document(answer, group)?;
    let items =
        document["items"].as_array().ok_or_else(|| format!("{group} answered with no list of values"))?;
    let read = |item: &Value| {
        let of = item["describedObject"]["name"].as_str().unwrap_or_default().to_owned();
        let text = item["value"].as_str().map(str::to_owned);
        let text = text.or_else(|| item["value"].as_number().map(ToString::to_string)).unwrap_or_default();
        let value = quantity(&text).ok_or_else(|| format!("{group} answered with {text:?} for a value"))?;
        let at = item["timestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        let age = at.and_then(|at| Duration::try_from(now.duration_since(at)).ok()).unwrap_or_default();
        if age > STALE {
            return Err(format!("its value is {} s old", age.as_secs()));
        }
        Ok((of, value))
    };
    items.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: Value) -> MetricCheck {
        let mut all = json!({ "name": "m", "threshold": { "operator": "<", "value": "1" } });
        all.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn now() -> Timestamp {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_path_is_that_of_the_namespace_and_leads_nowhere_else() {
        let pods = json!({ "type": "Pods", "pods": { "selector": { "matchLabels": { "app": "x" } } } });
        let object = json!({ "type": "Object", "object": { "resource": "ingresses.networking.k8s.io", "name": "shop" } });
        for (value, external, expected) in [
            (
                json!({ "metricName": "http_errors", "target": pods }),
                false,
                Ok(
                    "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/http_errors?labelSelector=app%3Dx",
                ),
            ),
            (
                json!({ "metricName": "http_errors", "target": object }),
                false,
                Ok(
                    "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/ingresses.networking.k8s.io/shop/http_errors",
                ),
            ),
            (
                json!({ "metricName": "queue/length", "source": "External" }),
                true,
                Ok(
                    "/apis/external.metrics.k8s.io/v1beta2/namespaces/shop/queue%2Flength?labelSelector=app%3Dx",
                ),
            ),
            (json!({ "metricName": "a/../../../b", "target": pods }), false, Err("is not a name")),
            (json!({ "metricName": "a//b", "source": "External" }), true, Err("is not a name")),
            (json!({ "source": "External" }), true, Err("is not a name")),
        ] {
            let check = check(value);
            let question =
                Question { namespace: "shop", check: &check, selector: "app=x", pods: &[], now: now() };
            let path = match external {
                true => question.external_path("v1beta2"),
                false => question.custom_path("v1beta2"),
            };
            match expected {
                Ok(expected) => assert_eq!(path.as_deref(), Ok(expected)),
                Err(why) => assert!(path.unwrap_err().contains(why)),
            }
        }
    }

    #[test]
    fn an_answer_gives_values_or_why_there_are_none() {
        let item = |name: &str, value: Value, at: &str| json!({ "describedObject": { "kind": "Pod", "name": name }, "value": value, "timestamp": at });
        let list = |items: &[Value]| json!({ "kind": "MetricValueList", "items": items });
        let recent = "2026-11-21T09:59:30Z";
        for (status, document, expected) in [
            (200, list(&[item("a", json!("250m"), recent)]), Ok(vec![("a".to_owned(), 0.25)])),
            (200, list(&[item("a", json!("3"), "")]), Ok(vec![("a".to_owned(), 3.0)])),
            (200, list(&[]), Ok(vec![])),
            (200, list(&[item("a", json!("1"), "2026-11-21T09:50:00Z")]), Err("its value is 600 s old")),
            // A clock that goes ahead is no reason.
            (200, list(&[item("a", json!("1"), "2026-11-21T10:00:05Z")]), Ok(vec![("a".to_owned(), 1.0)])),
            (200, list(&[item("a", json!("many"), recent)]), Err("answered with \"many\"")),
            (200, json!({}), Err("no list of values")),
            (
                404,
                json!({ "message": "the server could not find the metric x for pods" }),
                Err("could not find the metric"),
            ),
            (
                403,
                json!({ "message": "pods.custom.metrics.k8s.io is forbidden" }),
                Err("answered 403: pods.custom"),
            ),
        ] {
            let said = values(&Answer { status, body: document.to_string().into_bytes() }, "g", now());
            match expected {
                Ok(values) => assert_eq!(said, Ok(values)),
                Err(why) => assert!(said.clone().unwrap_err().contains(why), "{said:?}"),
            }
        }
        let down = Answer { status: 503, body: b"service unavailable\n".to_vec() };
        assert_eq!(values(&down, "g", now()).unwrap_err(), "g answered 503: service unavailable");
    }
}
