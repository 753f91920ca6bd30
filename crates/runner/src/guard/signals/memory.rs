//! `maxMemoryUsage`: the server's machine has something left.

use super::super::Condition;
use super::{Signal, on_average, percent};

pub(super) static SIGNAL: Signal = Signal {
    key: "maxMemoryUsage",
    about: "share of the server's memory that is in use, as a mean over a minute",
    source: "the metrics API where a spec names the server's Pods, Prometheus, or what the server's kernel tells where the role may read it",
    condition: Condition::PerformanceDegradation,
    asked: |thresholds| thresholds.max_memory.map(percent),
    judge: |seen, thresholds| {
        on_average(&seen.memory, thresholds.max_memory?, "of the memory was in use", seen.now)
    },
};
