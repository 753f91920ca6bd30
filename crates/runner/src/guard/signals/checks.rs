//! Checks after the swap: queries that must return no row.

use super::super::seen::Seen;
use super::super::{Condition, Thresholds};
use super::{PATIENCE, Signal};

pub(super) static SIGNAL: Signal = Signal {
    key: "checks",
    about: "queries that must return no row while the application is watched after the swap",
    source: "the migration's check script and the queries that were given, over and over again",
    condition: Condition::CheckFailed,
    // Where there is none, nothing is ever seen of it.
    asked: |_| Some(String::new()),
    judge,
};

fn judge(seen: &Seen, _: &Thresholds) -> Option<String> {
    if seen.checks.failed.is_some() {
        return seen.checks.failed.clone();
    }
    let asked = !seen.checks.source.name.is_empty();
    (asked && seen.swapped).then(|| seen.checks.source.silent(seen.now, PATIENCE)).flatten()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::seen::{Checks, Source};
    use super::*;

    #[test]
    fn a_check_that_fails_and_one_that_gives_no_answer_are_breaches() {
        let source = |name: &str, last: u64| Source {
            name: name.into(),
            last: Duration::from_secs(last),
            trouble: None,
        };
        for (checks, swapped, breached) in [
            (Checks::default(), true, false),
            (Checks { failed: Some("a row".into()), ..Checks::default() }, true, true),
            (Checks { source: source("the checks", 50), ..Checks::default() }, true, false),
            (Checks { source: source("the checks", 10), ..Checks::default() }, true, true),
            (Checks { source: source("the checks", 10), ..Checks::default() }, false, false),
        ] {
            let seen =
                Seen { now: Duration::from_secs(60), swapped, checks: checks.clone(), ..Seen::default() };
            assert_eq!(judge(&seen, &Thresholds::default()).is_some(), breached, "{checks:?}");
        }
    }
}
