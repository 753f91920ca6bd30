//! `maxCpuUsage`: the server's machine has something left.

use super::super::Condition;
use super::{Signal, on_average, percent};

pub(super) static SIGNAL: Signal = Signal {
    key: "maxCpuUsage",
    about: "share of the server's processors that is busy, as a mean over a minute",
    source: "the metrics API where a spec names the server's Pods, Prometheus, or what the server's kernel tells where the role may read it",
    condition: Condition::PerformanceDegradation,
    asked: |thresholds| thresholds.max_cpu.map(percent),
    judge: |seen, thresholds| {
        on_average(&seen.cpu, thresholds.max_cpu?, "of the processors were busy", seen.now)
    },
};
