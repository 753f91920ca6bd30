//! What was asked of the watch.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cofferdam_core::fault::Result;
use cofferdam_engines::Session;
use serde::{Deserialize, Serialize};

/// The limits of a run. `None`: not limited.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Thresholds {
    /// Longest time from the run's beginning to the swap, or to its end where there is none.
    pub max_time: Option<Duration>,
    /// Longest time for which a table may not be readable or writable because of us: at a stretch, and in all.
    pub max_downtime: Option<Duration>,
    /// Most of the server's processors that may be busy, as a mean over a minute, from 0 to 1.
    pub max_cpu: Option<f64>,
    /// Most of the server's memory that may be in use, as a mean over a minute, from 0 to 1.
    pub max_memory: Option<f64>,
    /// How many times as long as before statements about the tables may take, as a mean.
    pub max_slowdown: Option<f64>,
    /// How far a standby may be behind.
    pub max_lag: Option<Duration>,
}

impl Thresholds {
    /// Nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a run is taken back for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Both sides differ, or a check of the data does not hold.
    DataCorruption,
    /// A limit of the load or of the application's waiting was breached.
    PerformanceDegradation,
    /// The time is over.
    Timeout,
    /// A check after the swap does not hold.
    CheckFailed,
}

impl Condition {
    /// All of them.
    pub const ALL: &'static [Condition] =
        &[Self::DataCorruption, Self::PerformanceDegradation, Self::Timeout, Self::CheckFailed];

    /// As it is written: `data-corruption`.
    pub fn word(self) -> &'static str {
        match self {
            Self::DataCorruption => "data-corruption",
            Self::PerformanceDegradation => "performance-degradation",
            Self::Timeout => "timeout",
            Self::CheckFailed => "check-failed",
        }
    }
}

/// How a run is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// The statement that runs is cancelled.
    #[default]
    Immediate,
    /// The statement that runs is let come to its end.
    Graceful,
}

/// What was asked of the watch, and what to do about what it finds.
#[derive(Debug, Clone)]
pub struct Guarding {
    /// The limits.
    pub thresholds: Thresholds,
    /// A breach of one of these takes the run back; any other stops it, and it waits for a person.
    pub conditions: Vec<Condition>,
    /// With `false` no breach takes the run back.
    pub automatic: bool,
    /// How it is taken back.
    pub way: Way,
    /// How long the application is watched after the swap, before the old table may go.
    pub bake: Duration,
    /// Queries that must return no row while it is watched after the swap, with those of the migration's check script.
    pub checks: Vec<String>,
    /// How the database and its surroundings are reached; `None`: there is no watch.
    pub outside: Option<Arc<dyn Outside>>,
}

impl Default for Guarding {
    fn default() -> Self {
        Self {
            thresholds: Thresholds::default(),
            conditions: Condition::ALL.to_vec(),
            automatic: true,
            way: Way::default(),
            bake: Duration::ZERO,
            checks: Vec::new(),
            outside: None,
        }
    }
}

impl Guarding {
    /// Somebody asked for anything that has to be watched.
    pub(crate) fn is_asked(&self) -> bool {
        !self.thresholds.is_empty() || !self.bake.is_zero()
    }
}

/// A number that somebody outside of the database knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// How busy the server's processors are, from 0 to 1.
    Cpu,
    /// How much of the server's memory is in use, from 0 to 1.
    Memory,
}

/// How the watch reaches what it asks.
#[async_trait]
pub trait Outside: Debug + Send + Sync {
    /// A session of its own with the database of the run.
    async fn open(&self) -> Result<Box<dyn Session>>;

    /// Where a gauge is read, for people; `None`: nobody outside of the database knows.
    fn source(&self, gauge: Gauge) -> Option<String>;

    /// Reads a gauge that has a source: a ratio. Bounded by the one who reads it.
    ///
    /// # Errors
    /// Why there is no value; for people.
    async fn read(&self, gauge: Gauge) -> std::result::Result<f64, String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_written_as_it_is_read() {
        for condition in Condition::ALL {
            let text = serde_json::to_string(condition).unwrap();
            assert_eq!(text, format!("{:?}", condition.word()));
        }
    }
}
