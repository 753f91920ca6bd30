//! `maxMemoryUsage`: the server's machine has something left.

use super::super::seen::Seen;
use super::super::{Condition, Thresholds};
use super::{PATIENCE, Signal, percent};

pub(super) static SIGNAL: Signal = Signal {
    key: "maxMemoryUsage",
    about: "share of the server's memory that is in use, as a mean over a minute",
    source: "Prometheus, or what the server's kernel tells where the role may read it",
    condition: Condition::PerformanceDegradation,
    asked: |thresholds| thresholds.max_memory.map(percent),
    judge,
};

fn judge(seen: &Seen, thresholds: &Thresholds) -> Option<String> {
    let limit = thresholds.max_memory?;
    let mean = seen.memory.mean().filter(|mean| *mean - limit > 1e-9);
    let text = mean.map(|mean| {
        format!(
            "{} of the memory was in use over the last minute, by {}",
            percent(mean),
            seen.memory.source.name
        )
    });
    text.or_else(|| seen.memory.source.silent(seen.now, PATIENCE))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn judged(values: &[(u64, Result<f64, &str>)], now: u64) -> Option<String> {
        let mut seen = Seen { now: Duration::from_secs(now), ..Seen::default() };
        seen.memory.source.name = "the source".into();
        for (at, value) in values {
            seen.memory.add(Duration::from_secs(*at), value.map_err(str::to_owned));
        }
        judge(&seen, &Thresholds { max_memory: Some(0.8), ..Thresholds::default() })
    }

    #[test]
    fn the_mean_over_a_minute_counts() {
        for (values, now, breached) in [
            (&[(0, Ok(0.9)), (5, Ok(0.9)), (10, Ok(0.9))][..], 10, true),
            (&[(0, Ok(0.99)), (5, Ok(0.1)), (10, Ok(0.99))], 10, false),
            (&[(0, Ok(0.8)), (5, Ok(0.8)), (10, Ok(0.8))], 10, false),
            // Too few to be a mean.
            (&[(0, Ok(1.0)), (5, Ok(1.0))], 5, false),
            // What is older than a minute is forgotten.
            (&[(0, Ok(0.0)), (1, Ok(0.0)), (62, Ok(0.9)), (63, Ok(0.9)), (64, Ok(0.9))], 64, true),
        ] {
            assert_eq!(judged(values, now).is_some(), breached, "{values:?}");
        }
    }

    #[test]
    fn a_source_that_gives_no_value_counts_as_a_breach() {
        let text = judged(&[(0, Ok(0.1)), (5, Err("503"))], 16).unwrap();
        assert!(
            text.starts_with("the source has given no value for 16.0 s") && text.ends_with("503"),
            "{text}"
        );
        assert_eq!(judged(&[(0, Ok(0.1)), (5, Err("503"))], 15), None);
        assert!(judged(&[(0, Ok(0.1)), (5, Ok(f64::NAN))], 16).is_some());
    }
}
