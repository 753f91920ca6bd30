//! What must be true of every object that is rendered.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Kinds without a namespace.
const OF_THE_CLUSTER: &[&str] = &[
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
];

/// Problems of an object, each with its place.
pub(crate) fn problems(object: &Value) -> Vec<String> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let about = format!("{kind} {}", object["metadata"]["name"].as_str().unwrap_or_default());
    let mut problems: Vec<String> = unknown(kind, object).into_iter().collect();
    if object["metadata"]["namespace"].is_string() == OF_THE_CLUSTER.contains(&kind) {
        problems.push("metadata.namespace".to_owned());
    }
    if matches!(kind, "Deployment" | "Job") {
        problems.extend(unrestricted(&object["spec"]["template"]["spec"]));
    }
    problems.into_iter().map(|problem| format!("{about}: {problem}")).collect()
}

/// What the types of Kubernetes do not know, or know otherwise. A field that is spelt wrongly is dropped when it is read.
fn unknown(kind: &str, object: &Value) -> Option<String> {
    match kind {
        "Deployment" => dropped::<Deployment>(object),
        "Job" => dropped::<Job>(object),
        "ConfigMap" => dropped::<ConfigMap>(object),
        "Service" => dropped::<Service>(object),
        "ServiceAccount" => dropped::<ServiceAccount>(object),
        "NetworkPolicy" => dropped::<NetworkPolicy>(object),
        "PodDisruptionBudget" => dropped::<PodDisruptionBudget>(object),
        "ClusterRole" => dropped::<ClusterRole>(object),
        "ClusterRoleBinding" => dropped::<ClusterRoleBinding>(object),
        "Role" => dropped::<Role>(object),
        "RoleBinding" => dropped::<RoleBinding>(object),
        "CustomResourceDefinition" => dropped::<CustomResourceDefinition>(object),
        "Secret" => dropped::<Secret>(object),
        "ValidatingWebhookConfiguration" => dropped::<ValidatingWebhookConfiguration>(object),
        "MutatingWebhookConfiguration" => dropped::<MutatingWebhookConfiguration>(object),
        // Those of the Prometheus Operator and of cert-manager.
        "ServiceMonitor" | "PrometheusRule" | "Issuer" | "Certificate" => None,
        other => Some(format!("is of an unexpected kind {other:?}")),
    }
}

fn dropped<T: DeserializeOwned + Serialize>(object: &Value) -> Option<String> {
    let read: T = match serde_json::from_value(object.clone()) {
        Ok(read) => read,
        Err(error) => return Some(error.to_string()),
    };
    first_difference("", object, &serde_json::to_value(read).unwrap())
}

/// The first path that is in the one and not the same in the other.
fn first_difference(path: &str, is: &Value, read: &Value) -> Option<String> {
    match (is, read) {
        (Value::Object(is), Value::Object(_)) => {
            is.iter().find_map(|(key, value)| first_difference(&format!("{path}.{key}"), value, &read[key]))
        }
        (Value::Array(is), Value::Array(read)) if is.len() == read.len() => is
            .iter()
            .zip(read)
            .enumerate()
            .find_map(|(n, (is, read))| first_difference(&format!("{path}[{n}]"), is, read)),
        _ => (is != read).then(|| format!("{path}: {is} is read as {read}")),
    }
}

/// What Pod Security `restricted` would refuse, and what we ask for beyond it.
fn unrestricted(pod: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut must = |path: &str, is: &Value, wanted: Value| {
        if *is != wanted {
            problems.push(format!("{path} is {is}, not {wanted}"));
        }
    };
    must("securityContext.runAsNonRoot", &pod["securityContext"]["runAsNonRoot"], json!(true));
    must("seccompProfile", &pod["securityContext"]["seccompProfile"]["type"], json!("RuntimeDefault"));
    must(
        "automountServiceAccountToken is set",
        &json!(pod["automountServiceAccountToken"].is_boolean()),
        json!(true),
    );
    for list in ["initContainers", "containers"] {
        for container in pod[list].as_array().into_iter().flatten() {
            let context = &container["securityContext"];
            must("allowPrivilegeEscalation", &context["allowPrivilegeEscalation"], json!(false));
            must("readOnlyRootFilesystem", &context["readOnlyRootFilesystem"], json!(true));
            must("capabilities", &context["capabilities"], json!({"drop": ["ALL"]}));
            must("a command in place of the image's own", &container["command"], Value::Null);
        }
    }
    problems
}

/// What an account may do, by the rules of a role: `group/resource verb`.
pub(crate) fn rights(role: &Value) -> Vec<String> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let named = texts(&rule["resourceNames"]);
                let of = if named.is_empty() { String::new() } else { format!(" {}", named.join(",")) };
                let verbs = texts(&rule["verbs"]).join(" ");
                rights.push(format!("{group}/{resource}{of}: {verbs}").trim_start_matches('/').to_owned());
            }
        }
    }
    rights
}
