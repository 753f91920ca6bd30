//! What the watch looks at. Each signal is a file and its line in [`SIGNALS`], and judges what was seen purely.

use std::time::Duration;

use super::seen::Seen;
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
}
