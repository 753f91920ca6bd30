//! Which versions Pods run. Pure.

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;

use cofferdam_api::checks::MinPodVersion;
use cofferdam_api::names::LABEL_MIGRATION;
use cofferdam_api::value::ScriptName;

use super::version;

/// So many Pods are named; of the rest the number is said.
const NAMED: usize = 5;

/// What stands against a check; `None`: nothing does.
///
/// A Pod that is being deleted still talks to the database, and one that is not ready may do so at any moment: both
/// count by their version. What has ended does not count, nor do runners. Besides, one Pod of the version must be
/// ready: that something was rolled out is what is asked.
pub(super) fn judge(check: &MinPodVersion, selector: &str, pods: &[Pod]) -> Option<String> {
    let least = &check.min_version;
    let count = pods.iter().filter(|pod| counts(pod)).count();
    if count == 0 {
        return Some(format!(
            "no Pod is there with {}, and at least one must run {least} or later",
            if selector.is_empty() { "any labels" } else { selector }
        ));
    }
    let against: Vec<String> =
        pods.iter().filter(|pod| counts(pod)).filter_map(|pod| objection(check, pod)).collect();
    if !against.is_empty() {
        let more = against.len().saturating_sub(NAMED);
        let mut said = against.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        if more > 0 {
            said += &format!(" and {more} more");
        }
        return Some(format!("{said}; all Pods with {selector} must run {least} or later"));
    }
    if !pods.iter().any(|pod| counts(pod) && is_ready(pod)) {
        return Some(format!("none of {count} Pods with {selector} is ready, of which one must be"));
    }
    None
}

/// It runs, or will.
pub(super) fn counts(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
    !matches!(phase, "Succeeded" | "Failed") && !pod.labels().contains_key(LABEL_MIGRATION)
}

/// It serves.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    pod.metadata.deletion_timestamp.is_none()
        && conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

fn objection(check: &MinPodVersion, pod: &Pod) -> Option<String> {
    let name = pod.name_any();
    let Some(container) = container(check.container_name.as_ref(), pod) else {
        let wanted = check.container_name.as_ref().map(ToString::to_string).unwrap_or_default();
        return Some(format!("Pod {name} has no container {wanted}"));
    };
    let image = container.image.as_deref().unwrap_or_default();
    let leaving = if pod.metadata.deletion_timestamp.is_some() { " and is being stopped" } else { "" };
    match version::reaches(image, &check.min_version) {
        Ok(true) => None,
        Ok(false) => Some(format!("Pod {name} runs {image}{leaving}")),
        Err(why) => Some(format!("Pod {name} runs {image}, which {why}{leaving}")),
    }
}

/// The one that is named, also where it is a sidecar; else the first.
pub(super) fn container<'a>(name: Option<&ScriptName>, pod: &'a Pod) -> Option<&'a Container> {
    let spec = pod.spec.as_ref()?;
    let Some(name) = name else { return spec.containers.first() };
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|c| c.restart_policy.as_deref() == Some("Always"));
    spec.containers.iter().chain(sidecars).find(|container| container.name == name.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(container: Option<&str>) -> MinPodVersion {
        let mut value = json!({ "selector": { "matchLabels": { "app": "myapp" } }, "minVersion": "2.0.0" });
        if let Some(name) = container {
            value["containerName"] = json!(name);
        }
        serde_json::from_value(value).unwrap()
    }

    fn pod(name: &str, images: &[(&str, &str)], change: impl FnOnce(&mut Value)) -> Pod {
        let containers: Vec<Value> =
            images.iter().map(|(name, image)| json!({ "name": name, "image": image })).collect();
        let mut value = json!({
            "metadata": { "name": name, "labels": { "app": "myapp" } },
            "spec": { "containers": containers },
            "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    fn said(check: &MinPodVersion, pods: &[Pod]) -> String {
        judge(check, "app=myapp", pods).unwrap_or_default()
    }

    #[test]
    fn every_pod_that_runs_must_have_the_version() {
        let old = |name: &str| pod(name, &[("app", "myapp:1.9.0")], |_| {});
        let new = |name: &str| pod(name, &[("app", "myapp:2.0.0")], |_| {});
        let leaving = pod("a", &[("app", "myapp:1.9.0")], |p| {
            p["metadata"]["deletionTimestamp"] = json!("2026-11-21T10:00:00Z");
        });
        let over = |phase: &str| pod("a", &[("app", "myapp:1.9.0")], |p| p["status"]["phase"] = json!(phase));
        let pending = pod("a", &[("app", "myapp:1.9.0")], |p| p["status"] = json!({ "phase": "Pending" }));
        let runner = pod("a", &[("runner", "cofferdam:0.1.0")], |p| {
            p["metadata"]["labels"] = json!({ "cofferdam.dev/migration": "users" });
        });
        let unready = pod("b", &[("app", "myapp:2.0.0")], |p| p["status"] = json!({ "phase": "Running" }));
        let all = "; all Pods with app=myapp must run 2.0.0 or later";
        for (pods, expected) in [
            (vec![new("b")], String::new()),
            (vec![new("a"), new("b")], String::new()),
            (vec![], "no Pod is there with app=myapp, and at least one must run 2.0.0 or later".into()),
            (vec![old("a"), new("b")], format!("Pod a runs myapp:1.9.0{all}")),
            (vec![leaving, new("b")], format!("Pod a runs myapp:1.9.0 and is being stopped{all}")),
            (vec![pending, new("b")], format!("Pod a runs myapp:1.9.0{all}")),
            (vec![over("Succeeded"), new("b")], String::new()),
            (vec![over("Failed"), new("b")], String::new()),
            (
                vec![over("Failed")],
                "no Pod is there with app=myapp, and at least one must run 2.0.0 or later".into(),
            ),
            (vec![runner, new("b")], String::new()),
            (vec![unready.clone()], "none of 1 Pods with app=myapp is ready, of which one must be".into()),
            // Its readiness is the concern of the rollout; that an old one is gone is ours.
            (vec![unready, new("c")], String::new()),
        ] {
            assert_eq!(said(&check(None), &pods), expected);
        }
    }

    #[test]
    fn the_container_that_is_named_counts_and_else_the_first() {
        let both = [("app", "myapp:2.0.0"), ("proxy", "proxy:1.0.0")];
        let pods = [pod("a", &both, |_| {})];
        assert_eq!(said(&check(None), &pods), "");
        assert_eq!(said(&check(Some("app")), &pods), "");
        assert!(said(&check(Some("proxy")), &pods).starts_with("Pod a runs proxy:1.0.0"));
        assert!(said(&check(Some("other")), &pods).starts_with("Pod a has no container other"));
        let sidecar = [pod("a", &[("app", "myapp:1.0.0")], |p| {
            p["spec"]["initContainers"] = json!([
                { "name": "proxy", "image": "proxy:2.1.0", "restartPolicy": "Always" },
                { "name": "before", "image": "before:2.1.0" },
            ]);
        })];
        assert_eq!(said(&check(Some("proxy")), &sidecar), "");
        assert!(said(&check(Some("before")), &sidecar).starts_with("Pod a has no container before"));
    }

    #[test]
    fn an_image_that_says_no_version_does_not_pass() {
        for image in ["myapp@sha256:0011", "myapp:latest", "myapp"] {
            let said = said(&check(None), &[pod("a", &[("app", image)], |_| {})]);
            assert!(said.contains("version"), "{said}");
        }
    }

    #[test]
    fn of_many_pods_some_are_named() {
        let pods: Vec<Pod> =
            (0..40).map(|n| pod(&format!("p{n}"), &[("app", "myapp:1.0")], |_| {})).collect();
        let said = said(&check(None), &pods);
        assert!(
            said.contains("Pod p4 ") && !said.contains("Pod p5 ") && said.contains("and 35 more"),
            "{said}"
        );
    }
}
