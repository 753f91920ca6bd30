//! What the watch looks at. Each signal is a file and its line in [`SIGNALS`], and judges what was seen purely.

use std::time::Duration;

use super::seen::{Seen, Series};
use super::{Condition, Thresholds};

mod checks;
mod cpu;
mod deadline;
mod downtime;
mod lag;
mod memory;
mod queries;

/// One thing that is looked at.
#[derive(Debug)]
pub struct Signal {
    /// The limit as a spec and cofferdam.yaml name it.
    pub key: &'static str,
    /// In a few words, for the docs.
    pub about: &'static str,
    /// Where its values come from, for the docs.
    pub source: &'static str,
    /// What a breach is.
    pub condition: Condition,
    /// The limit in words, where it was asked for.
    pub(crate) asked: fn(&Thresholds) -> Option<String>,
    /// What is wrong, in words; `None`: nothing is.
    pub(crate) judge: fn(&Seen, &Thresholds) -> Option<String>,
}

/// Every signal, in the order in which they are judged: the first that is breached is the reason.
pub static SIGNALS: &[&Signal] = &[
    &checks::SIGNAL,
    &downtime::SIGNAL,
    &deadline::SIGNAL,
    &queries::SIGNAL,
    &lag::SIGNAL,
    &cpu::SIGNAL,
    &memory::SIGNAL,
];

/// How long a source may give no value before its limit counts as breached. Longer than a server takes to start again.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// The first limit that was asked for and is breached: the signal, the limit in words, and what is wrong.
pub(crate) fn judged(seen: &Seen, thresholds: &Thresholds) -> Option<(&'static Signal, String, String)> {
    SIGNALS.iter().find_map(|signal| {
        let limit = (signal.asked)(thresholds)?;
        (signal.judge)(seen, thresholds)
            .map(|text| (*signal, format!("{} {limit}", signal.key).trim_end().to_owned(), text))
    })
}

/// The mean over the last minute is above the limit, or the source has been silent for too long.
fn on_average(of: &Series, limit: f64, what: &str, now: Duration) -> Option<String> {
    let mean = of.mean().filter(|mean| *mean - limit > 1e-9);
    let text =
        mean.map(|mean| format!("{} {what} over the last minute, by {}", percent(mean), of.source.name));
    text.or_else(|| of.source.silent(now, PATIENCE))
}

/// `80 %`.
fn percent(ratio: f64) -> String {
    format!("{:.0} %", ratio * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_in_the_table_and_says_something() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/guard/signals");
        let files = std::fs::read_dir(folder).unwrap().count() - 1;
        assert_eq!(SIGNALS.len(), files);
        for signal in SIGNALS {
            assert!(!signal.key.is_empty() && !signal.source.is_empty() && !signal.about.is_empty());
        }
    }

    #[test]
    fn nothing_is_breached_that_nobody_asked_for() {
        let mut seen = Seen {
            now: Duration::from_secs(1_000_000),
            age: Duration::from_secs(1_000_000),
            ..Seen::default()
        };
        seen.checks.source.last = seen.now;
        assert!(judged(&seen, &Thresholds::default()).is_none());
    }

    fn judged_by(which: &Signal, values: &[(u64, Result<f64, &str>)], now: u64) -> Option<String> {
        let mut seen = Seen { now: Duration::from_secs(now), ..Seen::default() };
        for (at, value) in values {
            let (at, value) = (Duration::from_secs(*at), value.map_err(str::to_owned));
            seen.cpu.add(at, value.clone());
            seen.memory.add(at, value);
        }
        seen.cpu.source.name = "the source".into();
        seen.memory.source.name = "the source".into();
        let cpu = which.key == cpu::SIGNAL.key;
        let limits = Thresholds {
            max_cpu: cpu.then_some(0.8),
            max_memory: (!cpu).then_some(0.8),
            ..Thresholds::default()
        };
        judged(&seen, &limits).map(|(signal, _, text)| {
            assert_eq!(signal.key, which.key);
            text
        })
    }

    #[test]
    fn the_mean_over_a_minute_counts_and_silence_is_a_breach() {
        for which in [&cpu::SIGNAL, &memory::SIGNAL] {
            for (values, now, breached) in [
                (&[(0, Ok(0.9)), (5, Ok(0.9)), (10, Ok(0.9))][..], 10, true),
                (&[(0, Ok(0.99)), (5, Ok(0.1)), (10, Ok(0.99))], 10, false),
                (&[(0, Ok(0.8)), (5, Ok(0.8)), (10, Ok(0.8))], 10, false),
                // Too few to be a mean.
                (&[(0, Ok(1.0)), (5, Ok(1.0))], 5, false),
                // What is older than a minute is forgotten.
                (&[(0, Ok(0.0)), (1, Ok(0.0)), (62, Ok(0.9)), (63, Ok(0.9)), (64, Ok(0.9))], 64, true),
                // No value is not a low one.
                (&[(0, Ok(0.1)), (5, Err("503"))], 15, false),
                (&[(0, Ok(0.1)), (5, Err("503"))], 16, true),
                (&[(0, Ok(0.1)), (5, Ok(f64::NAN))], 16, true),
            ] {
                assert_eq!(judged_by(which, values, now).is_some(), breached, "{} {values:?}", which.key);
            }
            let text = judged_by(which, &[(0, Ok(0.1)), (5, Err("503"))], 16).unwrap();
            assert!(text.starts_with("the source has given no value for 16.0 s"), "{text}");
            assert!(text.ends_with("503"), "{text}");
        }
    }
}
