//! `spec.checks`: what the application around the database must fulfil.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::closed::closed;
use crate::value::{Decimal, ScriptName};

/// What the application around the database must fulfil.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checks {
    /// Before anything is changed. Until it is fulfilled the run waits. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre: Option<PreChecks>,
    /// After the change is there. If it is not fulfilled the change is taken back, where `spec.rollback` says so.
    /// Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<PostChecks>,
}

/// Before anything is changed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreChecks {
    /// Pods that must all have at least a version before the database is changed. At most 16. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub min_pod_versions: Vec<MinPodVersion>,
    /// Metrics that must lie within limits, by name. At most 16. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub metrics: Vec<MetricCheck>,
}

/// After the change is there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostChecks {
    /// Metrics that must lie within limits, by name. At most 16. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub metrics: Vec<MetricCheck>,
}

/// Pods that must have at least a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MinPodVersion {
    /// Which Pods of the same namespace. At least one must be there and ready. Example: `{matchLabels: {app: myapp}}`.
    #[schemars(schema_with = "selector")]
    pub selector: LabelSelector,
    /// The least version, compared by its numbers with the tag of the image: `2.0.0-rc.1` is older than `2.0.0`, and
    /// `2.0.0-alpine` is not. An image whose tag is no version does not pass. Example: `2.0.0`.
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = r"^v?[0-9]+(\.[0-9]+){0,3}([-+][A-Za-z0-9.+-]+)?$")
    )]
    pub min_version: String,
    /// The container whose image counts. Default: the first one of the Pod. Example: `myapp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<ScriptName>,
}

/// A metric that must lie within limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.source) && self.source == 'Prometheus' ? has(self.query) : has(self.metricName)")
    .message("spec.checks: a metric of source Prometheus needs query, one of source Custom or External metricName"))]
#[x_kube(validation = Rule::new("has(self.source) && self.source == 'Prometheus' ? !has(self.metricName) : !has(self.query)")
    .message("spec.checks: query goes with source Prometheus only, metricName with Custom and External only"))]
#[x_kube(validation = Rule::new("has(self.target) == (!has(self.source) || self.source == 'Custom')")
    .message("spec.checks: a metric of source Custom needs target, and no other source takes one")
    .field_path(".target"))]
#[x_kube(validation = Rule::new("!has(self.metricSelector) || (has(self.source) && self.source == 'External')")
    .message("spec.checks: metricSelector goes with source External only; leave it out")
    .field_path(".metricSelector"))]
pub struct MetricCheck {
    /// Its name among its siblings; messages and metrics name it. Example: `error-rate-check`.
    pub name: ScriptName,
    /// Where it is read. Default: `Custom`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: MetricSource,
    /// Name of the metric in the metrics API, with source `Custom` or `External`. Example: `http_errors_per_second`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z_:][A-Za-z0-9_:./-]*$"))]
    pub metric_name: Option<String>,
    /// A query of PromQL, with source `Prometheus`. The address of the Prometheus is set by the administrator of the
    /// operator. Example: `sum(rate(http_errors_total{app="myapp"}[2m]))`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub query: Option<String>,
    /// What the metric is read of, with source `Custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<MetricTarget>,
    /// Which series count, by their labels, with source `External`. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "selector")]
    pub metric_selector: Option<LabelSelector>,
    /// What the value must fulfil.
    pub threshold: Threshold,
    /// How several values become one. Default: `Max`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reduce: Reduce,
    /// Time in seconds for which the metric is watched, from 0 to 86400. After a change the first look comes after
    /// `intervalSeconds` and the last one at the end; every one must be fulfilled. Times in which it cannot be read do
    /// not count. With 0 there is one look, at once. Default: `0`. Example: `60`.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(range(min = 0, max = 86400))]
    pub bake_seconds: u32,
    /// Time in seconds between two looks, from 5 to 3600. Default: `15`.
    #[serde(default = "fifteen", skip_serializing_if = "is_fifteen")]
    #[schemars(range(min = 5, max = 3600))]
    pub interval_seconds: u32,
}

fn fifteen() -> u32 {
    15
}

fn is_fifteen(seconds: &u32) -> bool {
    *seconds == fifteen()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a metric of the custom metrics API is read of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "self.type == 'Pods' ? has(self.pods) && !has(self.object) : has(self.object) && !has(self.pods)",
).message("spec.checks: target of type Pods needs pods, and target of type Object needs object; give just that one"))]
pub struct MetricTarget {
    /// Of what.
    pub r#type: MetricTargetType,
    /// The Pods, with type `Pods`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodsTarget>,
    /// The object, with type `Object`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectTarget>,
}

/// Pods of the same namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodsTarget {
    /// Which Pods of the same namespace. Example: `{matchLabels: {app: myapp}}`.
    #[schemars(schema_with = "selector")]
    pub selector: LabelSelector,
}

/// An object of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectTarget {
    /// Its resource in the plural, with the group behind a point where it has one. Example:
    /// `ingresses.networking.k8s.io`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z][a-z0-9.-]*$"))]
    pub resource: String,
    /// Its name. Example: `shop`.
    pub name: crate::value::ObjectName,
}

/// What a value must fulfil.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Threshold {
    /// How the value is compared.
    pub operator: Operator,
    /// With what, as text so that nothing is rounded. Example: `"0.05"`.
    pub value: Decimal,
}

impl Operator {
    /// Whether the measured value fulfils it. Not a number fulfils nothing.
    pub fn holds(self, measured: f64, limit: f64) -> bool {
        match self {
            Operator::Less => measured < limit,
            Operator::LessOrEqual => measured <= limit,
            Operator::Greater => measured > limit,
            Operator::GreaterOrEqual => measured >= limit,
        }
    }
}

impl Reduce {
    /// One value of several; `None` of none, or where one of them is not a number.
    pub fn of(self, values: &[f64]) -> Option<f64> {
        if values.is_empty() || values.iter().any(|value| value.is_nan()) {
            return None;
        }
        Some(match self {
            Reduce::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Reduce::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Reduce::Sum => values.iter().sum(),
            Reduce::Avg => values.iter().sum::<f64>() / values.len() as f64,
        })
    }
}

closed! {
    /// Where a metric is read.
    pub enum MetricSource {
        /// The custom metrics API, of Pods or an object of the same namespace.
        Custom = "Custom",
        /// The external metrics API, in the same namespace.
        External = "External",
        /// The Prometheus that the administrator of the operator named.
        Prometheus = "Prometheus",
    }
    default Custom
}

closed! {
    /// What a metric of the custom metrics API is read of.
    pub enum MetricTargetType {
        /// Each Pod that a selector finds.
        Pods = "Pods",
        /// One object.
        Object = "Object",
    }
}

closed! {
    /// How a value is compared with a threshold.
    pub enum Operator {
        /// It must be smaller.
        Less = "<",
        /// It must not be larger.
        LessOrEqual = "<=",
        /// It must be larger.
        Greater = ">",
        /// It must not be smaller.
        GreaterOrEqual = ">=",
    }
}

closed! {
    /// How several values become one.
    pub enum Reduce {
        /// The largest.
        Max = "Max",
        /// The smallest.
        Min = "Min",
        /// The mean.
        Avg = "Avg",
        /// The sum.
        Sum = "Sum",
    }
    default Max
}

/// The schema of a label selector as Kubernetes has it, with bounds.
pub(crate) fn selector(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let _ = generator;
    let word = schemars::json_schema!({ "type": "string", "maxLength": 317 });
    let value = schemars::json_schema!({ "type": "string", "maxLength": 63 });
    schemars::json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "description": "Labels that must all be there with these values. At most 32.",
                "type": "object",
                "maxProperties": 32,
                "additionalProperties": value.clone(),
            },
            "matchExpressions": {
                "description": "Requirements that must all be fulfilled. At most 32.",
                "type": "array",
                "maxItems": 32,
                "x-kubernetes-list-type": "atomic",
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": { "description": "The label. Example: `app`.", "type": "string", "maxLength": 317 },
                        "operator": {
                            "description": "How it is compared: `In`, `NotIn`, `Exists` or `DoesNotExist`.",
                            "type": "string",
                            "pattern": "^(In|NotIn|Exists|DoesNotExist)$",
                            "maxLength": 12,
                        },
                        "values": {
                            "description": "With what, for `In` and `NotIn`. At most 64.",
                            "type": "array",
                            "maxItems": 64,
                            "x-kubernetes-list-type": "atomic",
                            "items": word,
                        },
                    },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_judged() {
        let cases: &[(Operator, f64, f64, bool)] = &[
            (Operator::Less, 0.04, 0.05, true),
            (Operator::Less, 0.05, 0.05, false),
            (Operator::LessOrEqual, 0.05, 0.05, true),
            (Operator::Greater, 2.0, 1.0, true),
            (Operator::Greater, 1.0, 1.0, false),
            (Operator::GreaterOrEqual, 1.0, 1.0, true),
            (Operator::Less, f64::NAN, 1.0, false),
            (Operator::GreaterOrEqual, f64::NAN, 1.0, false),
        ];
        for (operator, measured, limit, holds) in cases {
            assert_eq!(operator.holds(*measured, *limit), *holds, "{measured} {operator} {limit}");
        }
    }

    #[test]
    fn several_values_become_one_or_none() {
        let cases: &[(Reduce, &[f64], Option<f64>)] = &[
            (Reduce::Max, &[1.0, 3.0, 2.0], Some(3.0)),
            (Reduce::Min, &[1.0, 3.0, -2.0], Some(-2.0)),
            (Reduce::Avg, &[1.0, 2.0], Some(1.5)),
            (Reduce::Sum, &[1.0, 2.0], Some(3.0)),
            (Reduce::Max, &[], None),
            (Reduce::Sum, &[], None),
            (Reduce::Max, &[1.0, f64::NAN], None),
        ];
        for (reduce, values, expected) in cases {
            assert_eq!(reduce.of(values), *expected, "{reduce} {values:?}");
        }
    }
}
