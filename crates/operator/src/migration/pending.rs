//! Why a Job has no runner at work: what the kubelet, the scheduler and the admission of the cluster say.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use cofferdam_api::Reason;

use super::seen::{Seen, running, terminated, waiting};

/// The reason and a message. `None`: a runner is at work.
pub fn why(seen: &Seen, job: &Job) -> Option<(Reason, String)> {
    let Some(pod) = seen.pods_of(job).next_back() else {
        return Some(match seen.warnings.iter().find_map(|w| refused(w)) {
            Some(found) => found,
            None => (Reason::JobPending, without_pod(&job.name_any())),
        });
    };
    if running(pod) {
        return None;
    }
    if let Some(ended) = terminated(pod) {
        if ended.exit_code == 0 {
            // Its Job is about to end.
            return None;
        }
        // The Job makes another Pod, or ends.
        return Some(match ended.reason.as_deref() {
            Some("OOMKilled") => (
                Reason::OutOfMemory,
                format!(
                    "the runner of Pod {} was killed because it used more memory than its limit; the run goes on in a \
                     new Pod. If it comes again: kubectl patch dbm {} --type merge --patch \
                     '{{\"spec\":{{\"suspend\":true}}}}', raise spec.runner.resources.limits.memory, and set suspend to \
                     false",
                    pod.name_any(),
                    seen.migration.name_any()
                ),
            ),
            _ => (
                Reason::PodEvicted,
                format!("{} ended; the run goes on in a new Pod", told(pod, ended.exit_code)),
            ),
        });
    }
    if let Some(waiting) = waiting(pod) {
        let (reason, message) =
            (waiting.reason.as_deref().unwrap_or_default(), waiting.message.as_deref().unwrap_or_default());
        if matches!(reason, "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull") {
            return Some((Reason::ImagePullFailed, format!("{reason}: {message}")));
        }
        if reason == "CreateContainerConfigError" || reason == "CreateContainerError" {
            let hint = without_images(pod, job);
            return Some(
                missing(message).unwrap_or((Reason::JobPending, format!("{reason}: {message}{hint}"))),
            );
        }
    }
    if let Some(found) = all_missing(&seen.warnings) {
        return Some(found);
    }
    if let Some(message) = unschedulable(pod) {
        return Some((Reason::JobPending, format!("Pod {} finds no node: {message}", pod.name_any())));
    }
    Some((Reason::JobPending, format!("Pod {} is being started", pod.name_any())))
}

/// What is said of a Job of this name that was made.
pub(super) fn without_pod(job: &str) -> String {
    format!("Job {job} has no Pod yet")
}

/// What a runtime says that cannot mount images does not say that.
fn without_images(pod: &Pod, job: &Job) -> String {
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    match volumes.iter().any(|volume| volume.image.is_some()) {
        false => String::new(),
        true => format!(
            "; if the runtime of the node cannot mount images, set runner.imageVolumes of the chart to false, then: \
             kubectl delete job {}",
            job.name_any()
        ),
    }
}

fn told(pod: &Pod, code: i32) -> String {
    let evicted = pod.status.as_ref().and_then(|s| s.reason.as_deref());
    match evicted {
        Some(reason) => format!("Pod {} ({reason})", pod.name_any()),
        None => format!("the runner of Pod {} (exit code {code})", pod.name_any()),
    }
}

fn unschedulable(pod: &Pod) -> Option<&str> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let found = conditions.iter().find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
    found.message.as_deref()
}

/// A Pod that was refused, by the event of its Job: `Error creating: pods "x" is forbidden: ...`.
fn refused(warning: &str) -> Option<(Reason, String)> {
    let reason = match warning {
        w if w.contains("exceeded quota") || w.contains("must specify limits") => Reason::QuotaExceeded,
        w if w.contains("LimitRange") || w.contains("maximum cpu") || w.contains("maximum memory") => {
            Reason::QuotaExceeded
        }
        w if w.contains("violates PodSecurity") || w.contains("admission webhook") => Reason::PodRejected,
        w if w.contains("is being terminated") => Reason::NamespaceTerminating,
        w if w.contains("serviceaccount") && w.contains("not found") => Reason::OperatorForbidden,
        w if w.contains("is forbidden") => Reason::PodRejected,
        _ => return None,
    };
    Some((reason, warning.to_owned()))
}

/// All that cannot be mounted; the reason is that of the first, in the order of the reasons.
fn all_missing(warnings: &[String]) -> Option<(Reason, String)> {
    let found: std::collections::BTreeSet<(Reason, String)> =
        warnings.iter().filter_map(|warning| missing(warning)).collect();
    let reason = found.first()?.0;
    let said: Vec<String> = found.into_iter().map(|(_, said)| said).collect();
    Some((reason, said.join("; ")))
}

/// What cannot be mounted, by the kubelet's words: `secret "x" not found`, `configmap "x" not found`,
/// `references non-existent config key: y`, `references non-existent secret key: y`.
fn missing(warning: &str) -> Option<(Reason, String)> {
    let about =
        |reason, what: &str| Some((reason, format!("{what} ({})", crate::outcome::cut(warning, 300))));
    if warning.contains("references non-existent secret key") {
        return about(Reason::SecretKeyMissing, "a Secret has no such key");
    }
    if warning.contains("references non-existent config key") {
        return about(Reason::SourceKeyMissing, "a ConfigMap has no such key");
    }
    let named = |kind: &str| {
        let (_, rest) = warning.split_once(&format!("{kind} \""))?;
        let (name, after) = rest.split_once('"')?;
        after.trim_start().starts_with("not found").then(|| name.to_owned())
    };
    if let Some(name) = named("secret") {
        return Some((Reason::SecretNotFound, format!("Secret {name} is not there")));
    }
    named("configmap").map(|name| (Reason::SourceNotFound, format!("ConfigMap {name} is not there")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kubelet_says_is_understood() {
        for (warning, reason, about) in [
            (
                r#"MountVolume.SetUp failed for volume "database" : secret "db-credentials" not found"#,
                Reason::SecretNotFound,
                "Secret db-credentials is not there",
            ),
            (
                r#"MountVolume.SetUp failed for volume "script-0" : configmap "migrations" not found"#,
                Reason::SourceNotFound,
                "ConfigMap migrations is not there",
            ),
            (
                r#"MountVolume.SetUp failed for volume "scripts" : references non-existent config key: 001.sql"#,
                Reason::SourceKeyMissing,
                "001.sql",
            ),
            (
                r#"MountVolume.SetUp failed for volume "database" : references non-existent secret key: url"#,
                Reason::SecretKeyMissing,
                "url",
            ),
        ] {
            let (found, message) = missing(warning).unwrap();
            assert_eq!(found, reason, "{warning}");
            assert!(message.contains(about), "{message}");
        }
        assert_eq!(missing("Back-off restarting failed container"), None);
        let both =
            [r#"x : configmap "m" not found"#, r#"y : secret "s" not found"#, r#"z : secret "s" not found"#];
        let all = all_missing(&both.map(str::to_owned));
        let said = "Secret s is not there; ConfigMap m is not there".to_owned();
        assert_eq!(all, Some((Reason::SecretNotFound, said)));
    }

    #[test]
    fn what_the_admission_says_is_understood() {
        for (warning, reason) in [
            (
                r#"Error creating: pods "a-1" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1"#,
                Reason::QuotaExceeded,
            ),
            (
                r#"Error creating: pods "a-1" is forbidden: violates PodSecurity "restricted:latest": ..."#,
                Reason::PodRejected,
            ),
            (
                r#"Error creating: pods "a-1" is forbidden: unable to create new content in namespace x because it is being terminated"#,
                Reason::NamespaceTerminating,
            ),
            (
                r#"Error creating: pods "a-" is forbidden: error looking up service account x/cofferdam-runner: serviceaccount "cofferdam-runner" not found"#,
                Reason::OperatorForbidden,
            ),
        ] {
            assert_eq!(refused(warning).unwrap().0, reason, "{warning}");
        }
        assert_eq!(refused("Job has reached the specified backoff limit"), None);
    }
}
