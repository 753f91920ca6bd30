//! Which Pod's log is meant, and reading it.

use std::time::Duration;

use cofferdam_core::Result;
use cofferdam_operator::migration::seen::finished;
use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::LogParams;

use super::cluster::Cluster;
use super::refused::fault;

/// Between two looks at a Pod that has not begun.
const LOOK: Duration = Duration::from_millis(500);

/// What of a log is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    /// The last lines only.
    pub(crate) tail: Option<i64>,
    /// What is not older than this.
    pub(crate) since: Option<Duration>,
    /// Go on until the Pod ends.
    pub(crate) follow: bool,
}

/// The Pod of the run: the newest of the Job that is named, else of all; `previous`: the one before it. Pure.
pub(crate) fn choose<'a>(pods: &'a [Pod], job: Option<&str>, previous: bool) -> Option<&'a Pod> {
    let of_job = |pod: &&Pod| job.is_none_or(|job| job_of(pod) == Some(job));
    let newest = pods.iter().rev().find(of_job);
    if !previous {
        return newest;
    }
    let uid = newest?.uid();
    let at = pods.iter().position(|pod| pod.uid() == uid)?;
    pods.get(at.checked_sub(1)?)
}

/// The Job that a Pod is of.
pub(crate) fn job_of(pod: &Pod) -> Option<&str> {
    pod.owner_references().iter().find(|owner| owner.kind == "Job").map(|owner| owner.name.as_str())
}

/// The containers of a Pod in the order in which they run.
pub(crate) fn containers(pod: &Pod) -> Vec<String> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let before = spec.init_containers.iter().flatten();
    before.chain(&spec.containers).map(|container| container.name.clone()).collect()
}

/// Whether a container has come so far as to have a log.
pub(crate) fn has_begun(pod: &Pod, container: &str) -> bool {
    let Some(status) = &pod.status else { return false };
    let all =
        status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    let states = all.filter(|one| one.name == container).filter_map(|one| one.state.as_ref());
    states.into_iter().any(|state| state.running.is_some() || state.terminated.is_some())
}

/// The Pod does nothing more.
pub(crate) fn is_over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// A Job of these is at work.
pub(crate) fn any_at_work(jobs: &[Job]) -> bool {
    jobs.iter().any(|job| finished(job).is_none())
}

impl Cluster {
    /// Reads the log of one container, a line at a time. A container that is waited for is waited for only when following.
    pub(crate) async fn log(
        &self,
        pod: &str,
        container: &str,
        part: &Part,
        mut line: impl FnMut(&str),
    ) -> Result<()> {
        let api = self.api::<Pod>();
        let parameters = LogParams {
            container: Some(container.to_owned()),
            follow: part.follow,
            tail_lines: part.tail,
            since_seconds: part.since.map(|since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX).max(1)),
            ..LogParams::default()
        };
        let doing = "reading the log";
        let lines = api.log_stream(pod, &parameters).await.map_err(|error| fault(&error, doing))?;
        let mut lines = std::pin::pin!(lines.lines());
        loop {
            match lines.try_next().await {
                Ok(Some(text)) => line(&text),
                // A node that goes away cuts it off; what was read is shown.
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    }

    /// Waits until a container has a log; `false`: the Pod has ended, or is gone, without.
    pub(crate) async fn begun(&self, pod: &str, container: &str) -> Result<bool> {
        loop {
            let found =
                self.api::<Pod>().get_opt(pod).await.map_err(|error| fault(&error, "reading the Pod"))?;
            match found {
                Some(found) if has_begun(&found, container) => return Ok(true),
                Some(found) if !is_over(&found) => tokio::time::sleep(LOOK).await,
                _ => return Ok(false),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, job: &str) -> Pod {
        let owner =
            json!({ "apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": job, "controller": true });
        serde_json::from_value(
            json!({ "metadata": { "name": name, "uid": name, "ownerReferences": [owner] } }),
        )
        .unwrap()
    }

    #[test]
    fn the_newest_pod_of_the_run_and_the_one_before_it() {
        let pods = [pod("a-1", "a"), pod("a-2", "a"), pod("b-1", "b")];
        for (job, previous, expected) in [
            (None, false, Some("b-1")),
            (None, true, Some("a-2")),
            (Some("a"), false, Some("a-2")),
            (Some("a"), true, Some("a-1")),
            (Some("b"), true, Some("a-2")),
            (Some("c"), false, None),
            (Some("c"), true, None),
        ] {
            let chosen = choose(&pods, job, previous).map(ResourceExt::name_any);
            assert_eq!(chosen.as_deref(), expected, "{job:?} {previous}");
        }
        assert!(choose(&pods[..1], None, true).is_none());
    }

    #[test]
    fn containers_run_one_after_another_and_have_a_log_once_they_began() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "a" },
            "spec": { "initContainers": [{ "name": "preflight" }], "containers": [{ "name": "runner" }] },
            "status": {
                "phase": "Pending",
                "initContainerStatuses": [{ "name": "preflight", "image": "", "imageID": "", "ready": true,
                    "restartCount": 0, "state": { "terminated": { "exitCode": 0 } } }],
                "containerStatuses": [{ "name": "runner", "image": "", "imageID": "", "ready": false,
                    "restartCount": 0, "state": { "waiting": { "reason": "PodInitializing" } } }],
            },
        }))
        .unwrap();
        assert_eq!(containers(&pod), ["preflight", "runner"]);
        assert!(has_begun(&pod, "preflight") && !has_begun(&pod, "runner") && !is_over(&pod));
    }
}
