//! The key `guard` of an environment: what a team wants watched at every run.

use std::time::Duration;

use cofferdam_runner::{Condition, Way};
use serde::{Deserialize, Deserializer};

use super::file::read_duration;
use crate::args::guard;

/// See [`crate::args::guard::GuardFlags`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct GuardKeys {
    /// `--max-time`.
    #[serde(deserialize_with = "read_duration")]
    pub(crate) max_time: Option<Duration>,
    /// `--max-downtime`.
    #[serde(deserialize_with = "read_duration")]
    pub(crate) max_downtime: Option<Duration>,
    /// `--max-cpu`.
    #[serde(deserialize_with = "read_percent")]
    pub(crate) max_cpu: Option<f64>,
    /// `--max-memory`.
    #[serde(deserialize_with = "read_percent")]
    pub(crate) max_memory: Option<f64>,
    /// `--max-slowdown`.
    #[serde(deserialize_with = "read_factor")]
    pub(crate) max_slowdown: Option<f64>,
    /// `--max-lag`.
    #[serde(deserialize_with = "read_duration")]
    pub(crate) max_lag: Option<Duration>,
    /// `--bake`.
    #[serde(deserialize_with = "read_duration")]
    pub(crate) bake: Option<Duration>,
    /// `--post-check`, before those that are given.
    pub(crate) post_checks: Vec<String>,
    /// `false` is `--no-auto-rollback`.
    pub(crate) auto_rollback: Option<bool>,
    /// `--rollback-on`.
    #[serde(deserialize_with = "read_conditions")]
    pub(crate) rollback_on: Option<Vec<Condition>>,
    /// `--rollback-how`.
    #[serde(deserialize_with = "read_way")]
    pub(crate) rollback_how: Option<Way>,
    /// The Prometheus that knows how busy the server is.
    pub(crate) prometheus_url: Option<String>,
    /// A query that gives the share of the server's processors that is busy, from 0 to 1.
    pub(crate) cpu_query: Option<String>,
    /// A query that gives the share of the server's memory that is in use, from 0 to 1.
    pub(crate) memory_query: Option<String>,
}

fn read_percent<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let text = String::deserialize(from)?;
    guard::percent(&text).map(Some).map_err(serde::de::Error::custom)
}

fn read_factor<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let number = f64::deserialize(from)?;
    guard::factor(&number.to_string()).map(Some).map_err(serde::de::Error::custom)
}

fn read_conditions<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Condition>>, D::Error> {
    let words = Vec::<String>::deserialize(from)?;
    let read = words.iter().map(|word| guard::condition(word)).collect::<Result<_, _>>();
    read.map(Some).map_err(serde::de::Error::custom)
}

fn read_way<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Way>, D::Error> {
    let text = String::deserialize(from)?;
    guard::way(&text).map(Some).map_err(serde::de::Error::custom)
}
