//! The flags that bound how long a step waits and how long others wait for it.

use std::time::Duration;

use cofferdam_core::Limits;

use super::duration;
use crate::config::Settings;

/// The flags of the limits.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitFlags {
    /// Longest wait for one lock before the try is given up [default: 500ms]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) lock_timeout: Option<Duration>,
    /// Tries for one lock before the step fails [default: 30]
    #[arg(long, value_name = "N")]
    pub(crate) lock_tries: Option<u32>,
    /// Longest time that others may queue behind a step before it is cancelled; 0: no limit [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) max_block: Option<Duration>,
    /// Longest wait for another runner to end [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) lock_wait: Option<Duration>,
}

impl LimitFlags {
    /// The limits: flag, then environment of cofferdam.yaml, then default.
    pub(crate) fn limits(&self, settings: &Settings) -> Limits {
        let default = Limits::default();
        let milliseconds = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Limits {
            lock_timeout_ms: self
                .lock_timeout
                .or(settings.lock_timeout)
                .map_or(default.lock_timeout_ms, milliseconds),
            tries: self.lock_tries.or(settings.lock_tries).unwrap_or(default.tries),
            max_block_ms: self.max_block.or(settings.max_block).map_or(default.max_block_ms, milliseconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_beats_the_environment_and_that_beats_the_default() {
        let flags = LimitFlags { lock_timeout: Some(Duration::from_secs(1)), ..LimitFlags::default() };
        let settings = Settings {
            lock_timeout: Some(Duration::from_secs(7)),
            max_block: Some(Duration::from_secs(9)),
            ..Settings::default()
        };
        let limits = flags.limits(&settings);
        assert_eq!(limits, Limits { lock_timeout_ms: 1_000, max_block_ms: 9_000, ..Limits::default() });
    }
}
