//! Limits under which a step runs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a step may wait for its locks and hold others up.
///
/// One good default each. `lock_timeout`: half a second is what pgroll uses, and is below what a person notices
/// in a web request. `max_block`: a statement that already holds its lock and makes others queue is cancelled
/// after two seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest wait for one lock before the try is given up, in milliseconds.
    pub lock_timeout_ms: u64,
    /// How many tries before the step fails with `LockNotObtained`.
    pub tries: u32,
    /// Longest time that sessions of others may queue behind this step, in milliseconds. 0: no limit.
    pub max_block_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { lock_timeout_ms: 500, tries: 30, max_block_ms: 2_000 }
    }
}

impl Limits {
    /// See [`Limits::lock_timeout_ms`].
    pub fn lock_timeout(&self) -> Duration {
        Duration::from_millis(self.lock_timeout_ms)
    }

    /// The pause before try number `try_` (from 1): doubled from 100 ms up to 5 s. `jitter` is a number from 0
    /// to 1 that spreads it over half to the whole, so that two runners do not knock in step.
    pub fn pause(&self, try_: u32, jitter: f64) -> Duration {
        let whole = (100u64 << try_.saturating_sub(1).min(6)).min(5_000) as f64;
        Duration::from_millis((whole * (0.5 + jitter.clamp(0.0, 1.0) / 2.0)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_at_five_seconds() {
        let limits = Limits::default();
        assert_eq!(limits.pause(1, 1.0), Duration::from_millis(100));
        assert_eq!(limits.pause(1, 0.0), Duration::from_millis(50));
        assert_eq!(limits.pause(99, 1.0), Duration::from_millis(5_000));
    }
}
