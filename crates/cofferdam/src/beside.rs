//! How the watch beside a run reaches the database, and the Prometheus that knows how busy its server is.

use async_trait::async_trait;

use cofferdam_core::fault::Result;
use cofferdam_engines::{Session, Target};
use cofferdam_operator::gates::prometheus::{Address, Prometheus};
use cofferdam_runner::{Gauge, Outside};

use crate::config::Settings;
use crate::output::mask;
use crate::wiring;

/// The name of the watch in the server's list of sessions.
pub(crate) const APPLICATION: &str = "cofferdam watch";

/// A Prometheus with queries that give a share from 0 to 1.
#[derive(Clone, Default)]
pub(crate) struct Gauges {
    /// Its address, for people, and its client, or what is wrong with the address.
    prometheus: Option<(String, Result<Prometheus, String>)>,
    cpu: Option<String>,
    memory: Option<String>,
}

impl std::fmt::Debug for Gauges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gauges").field("cpu", &self.cpu).field("memory", &self.memory).finish_non_exhaustive()
    }
}

impl Gauges {
    /// What is named, or else what the process's environment names, as the administrator of a cluster sets it.
    pub(crate) fn new(url: Option<String>, cpu: Option<String>, memory: Option<String>) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let url = url.or_else(|| variable("COFFERDAM_PROMETHEUS_URL"));
        let address = |url: String| Address {
            url,
            token_file: variable("COFFERDAM_PROMETHEUS_TOKEN_FILE").map(Into::into),
            ca_file: variable("COFFERDAM_PROMETHEUS_CA_FILE").map(Into::into),
        };
        Self {
            prometheus: url.map(|url| (mask::text(&url), Prometheus::new(&address(url)))),
            cpu: cpu.or_else(|| variable("COFFERDAM_CPU_QUERY")),
            memory: memory.or_else(|| variable("COFFERDAM_MEMORY_QUERY")),
        }
    }

    fn query(&self, gauge: Gauge) -> Option<&str> {
        match gauge {
            Gauge::Cpu => self.cpu.as_deref(),
            Gauge::Memory => self.memory.as_deref(),
        }
    }

    /// See [`Outside::source`].
    pub(crate) fn source(&self, gauge: Gauge) -> Option<String> {
        let (url, _) = self.prometheus.as_ref()?;
        self.query(gauge).map(|_| format!("Prometheus at {url}"))
    }

    /// See [`Outside::read`]. Of several series the highest counts.
    pub(crate) async fn read(&self, gauge: Gauge) -> Result<f64, String> {
        let (Some((_, prometheus)), Some(query)) = (&self.prometheus, self.query(gauge)) else {
            return Err("no Prometheus is named".into());
        };
        let values = prometheus.as_ref().map_err(Clone::clone)?.read(query).await?;
        // One that is no number must not be lost among those that are.
        values
            .into_iter()
            .reduce(|a, b| if a.is_nan() || a > b { a } else { b })
            .ok_or_else(|| "it gave nothing".into())
    }
}

/// Beside a run of the command line.
#[derive(Debug)]
pub(crate) struct Beside {
    target: Target,
    gauges: Gauges,
}

impl Beside {
    /// For the database that the settings name.
    pub(crate) fn new(settings: &Settings) -> Self {
        let keys = settings.guard.clone();
        Self {
            target: settings.target(APPLICATION),
            gauges: Gauges::new(keys.prometheus_url, keys.cpu_query, keys.memory_query),
        }
    }
}

#[async_trait]
impl Outside for Beside {
    async fn open(&self) -> Result<Box<dyn Session>> {
        wiring::engine(self.target.url.as_deref())?.open(&self.target).await
    }

    fn source(&self, gauge: Gauge) -> Option<String> {
        self.gauges.source(gauge)
    }

    async fn read(&self, gauge: Gauge) -> Result<f64, String> {
        self.gauges.read(gauge).await
    }
}
