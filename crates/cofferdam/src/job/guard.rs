//! What the spec wants watched beside a run.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use cofferdam_api::DatabaseMigrationSpec;
use cofferdam_api::rollback::{RollbackStrategy, RollbackTrigger};
use cofferdam_api::value::{Percent, Span};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};
use cofferdam_engines::Session;
use cofferdam_operator::gates::pod_metrics::{PodMetrics, Resource};
use cofferdam_runner::{Condition, Gauge, Guarding, Outside, Thresholds, Way};

use super::Job;
use super::reach::{Missed, Reach};
use crate::beside::{APPLICATION, Gauges};

/// What is watched at every run of this object.
///
/// # Errors
/// `Usage`: a limit that is no duration or no percentage.
pub(crate) fn guarding(job: &Job) -> Result<Guarding> {
    let spec = &job.object.spec;
    let namespace = job.object.metadata.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let server = spec.validation.performance_thresholds.server_pods.clone();
    let outside = FromPod {
        reach: job.reach.clone(),
        gauges: Gauges::new(None, None, None),
        server: server.map(|server| PodMetrics::new(namespace, server)),
    };
    Ok(Guarding { outside: Some(Arc::new(outside)), ..of_spec(spec)? })
}

fn of_spec(spec: &DatabaseMigrationSpec) -> Result<Guarding> {
    let limits = &spec.validation.performance_thresholds;
    let wrong = |field: &str, why: String| -> Fault {
        Refusal::new(Code::Usage, format!("spec.validation.performanceThresholds.{field}: {why}")).into()
    };
    let span = |field: &str, text: &Option<Span>| {
        text.as_ref().map(|text| text.parse().map_err(|why| wrong(field, why.to_string()))).transpose()
    };
    let share = |field: &str, text: &Option<Percent>| {
        let percent = text.as_ref().map(|text| text.parse().map_err(|why| wrong(field, why.to_string())));
        percent.transpose().map(|percent| percent.map(|percent| percent / 100.0))
    };
    let slowdown = match &limits.max_slowdown {
        None => None,
        Some(text) => match text.parse() {
            Ok(times) if times >= 1.0 => Some(times),
            Ok(_) => return Err(wrong("maxSlowdown", "write 1 or more".into())),
            Err(why) => return Err(wrong("maxSlowdown", why.to_string())),
        },
    };
    let bake = match &spec.validation.bake {
        None => Duration::ZERO,
        Some(text) => text.parse().map_err(|why| -> Fault {
            Refusal::new(Code::Usage, format!("spec.validation.bake: {why}")).into()
        })?,
    };
    Ok(Guarding {
        bake,
        thresholds: Thresholds {
            max_time: span("maxMigrationTime", &limits.max_migration_time)?,
            max_downtime: span("maxDowntime", &limits.max_downtime)?,
            max_cpu: share("maxCpuUsage", &limits.max_cpu_usage)?,
            max_memory: share("maxMemoryUsage", &limits.max_memory_usage)?,
            max_slowdown: slowdown,
            max_lag: span("maxReplicationLag", &limits.max_replication_lag)?,
        },
        automatic: spec.rollback.automatic,
        conditions: spec
            .rollback
            .conditions
            .iter()
            .map(|trigger| match trigger {
                RollbackTrigger::DataCorruption => Condition::DataCorruption,
                RollbackTrigger::PerformanceDegradation => Condition::PerformanceDegradation,
                RollbackTrigger::Timeout => Condition::Timeout,
                RollbackTrigger::CheckFailed => Condition::CheckFailed,
            })
            .collect(),
        way: match spec.rollback.strategy {
            RollbackStrategy::Immediate => Way::Immediate,
            RollbackStrategy::Graceful => Way::Graceful,
        },
        ..Guarding::default()
    })
}

/// From the Pod of the Job: with the Secret as it is now.
struct FromPod {
    reach: Reach,
    gauges: Gauges,
    /// Where the spec names the Pods of the server, nobody else is asked about them.
    server: Option<PodMetrics>,
}

impl std::fmt::Debug for FromPod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FromPod").field("reach", &self.reach).finish_non_exhaustive()
    }
}

#[async_trait]
impl Outside for FromPod {
    async fn open(&self) -> Result<Box<dyn Session>> {
        match self.reach.once(APPLICATION).await {
            Ok(session) => Ok(session),
            Err(Missed::Fault(fault)) => Err(fault),
            Err(Missed::Key(what)) => Err(Refusal::new(Code::ConnectFailed, what).into()),
        }
    }

    fn source(&self, gauge: Gauge) -> Option<String> {
        self.server.as_ref().map(PodMetrics::source).or_else(|| self.gauges.source(gauge))
    }

    async fn read(&self, gauge: Gauge) -> Result<f64, String> {
        let Some(server) = &self.server else { return self.gauges.read(gauge).await };
        let of = match gauge {
            Gauge::Cpu => Resource::Cpu,
            Gauge::Memory => Resource::Memory,
        };
        server.share(of).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_spec_says_what_is_watched() {
        let spec = |more: serde_json::Value| -> DatabaseMigrationSpec {
            let mut spec = json!({
                "database": { "type": "postgresql", "connectionSecret": "s", "host": "h", "database": "d" },
                "migration": { "scripts": [] },
            });
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value(spec).unwrap()
        };
        let none = of_spec(&spec(json!({}))).unwrap();
        assert!(none.thresholds.is_empty() && none.automatic && none.way == Way::Immediate);
        assert_eq!(none.conditions.len(), Condition::ALL.len());
        let all = of_spec(&spec(json!({
            "validation": { "performanceThresholds": {
                "maxMigrationTime": "30m", "maxDowntime": "0s", "maxCpuUsage": "80%", "maxMemoryUsage": "70%",
                "maxSlowdown": "2.5", "maxReplicationLag": "30s" }, "bake": "1m" },
            "rollback": {
                "automatic": false, "conditions": ["timeout", "check-failed"], "strategy": "graceful",
            },
        })))
        .unwrap();
        assert_eq!(
            all.thresholds,
            Thresholds {
                max_time: Some(Duration::from_secs(1_800)),
                max_downtime: Some(Duration::ZERO),
                max_cpu: Some(0.8),
                max_memory: Some(0.7),
                max_slowdown: Some(2.5),
                max_lag: Some(Duration::from_secs(30)),
            }
        );
        assert_eq!(all.bake, Duration::from_secs(60));
        assert_eq!((all.automatic, all.way), (false, Way::Graceful));
        assert_eq!(all.conditions, [Condition::Timeout, Condition::CheckFailed]);
        for wrong in [
            json!({ "performanceThresholds": { "maxSlowdown": "0.5" } }),
            json!({ "performanceThresholds": { "maxSlowdown": "x" } }),
            json!({ "bake": "soon" }),
        ] {
            assert!(of_spec(&spec(json!({ "validation": wrong }))).is_err(), "{wrong}");
        }
        // Three of the conditions are not the fourth.
        let named = json!({ "rollback": { "conditions": ["data-corruption", "performance-degradation", "timeout"] } });
        assert!(!of_spec(&spec(named)).unwrap().conditions.contains(&Condition::CheckFailed));
    }
}
