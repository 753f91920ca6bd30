//! `maxSlowdown`: statements about the tables take no longer than they did.

use super::super::seen::Seen;
use super::super::{Condition, Thresholds};
use super::{PATIENCE, Signal};

pub(super) static SIGNAL: Signal = Signal {
    key: "maxSlowdown",
    about: "mean time of the statements about the tables, against what they took before, over the last ten seconds",
    source: "the extension pg_stat_statements; performance_schema on MySQL and MariaDB",
    condition: Condition::PerformanceDegradation,
    asked: |thresholds| thresholds.max_slowdown.map(|times| format!("{times}")),
    judge,
};

fn judge(seen: &Seen, thresholds: &Thresholds) -> Option<String> {
    let limit = thresholds.max_slowdown?;
    let pace = seen.queries.pace();
    let slower = pace.and_then(|pace| Some((pace.slowdown()?, pace))).filter(|(times, _)| *times > limit);
    let text = slower.map(|(times, pace)| {
        format!(
            "{:.0} calls of statements about the tables took {:.2} ms each, {times:.1} times as long as before",
            pace.calls,
            pace.took / pace.calls
        )
    });
    text.or_else(|| seen.queries.source.silent(seen.now, PATIENCE))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cofferdam_engines::vitals::StatementCount;

    use super::*;

    fn counts(rows: &[(&str, f64, f64)]) -> Vec<StatementCount> {
        rows.iter()
            .map(|(text, calls, ms)| StatementCount { text: (*text).to_owned(), calls: *calls, ms: *ms })
            .collect()
    }

    fn judged(looks: &[&[(&str, f64, f64)]]) -> Option<String> {
        let mut seen = Seen { now: Duration::from_secs(looks.len() as u64), ..Seen::default() };
        for (at, look) in looks.iter().enumerate() {
            let at = Duration::from_secs(at as u64);
            match at.is_zero() {
                true => seen.queries.begin(at, counts(look)),
                false => seen.queries.add(at, Ok(counts(look))),
            }
        }
        judge(&seen, &Thresholds { max_slowdown: Some(3.0), ..Thresholds::default() })
    }

    #[test]
    fn the_same_calls_are_compared_with_what_they_took_before() {
        // 1 ms each before.
        let before: &[(&str, f64, f64)] = &[("a", 1_000.0, 1_000.0)];
        assert!(judged(&[before, &[("a", 1_100.0, 1_500.0)]]).is_some(), "5 ms each");
        assert!(judged(&[before, &[("a", 1_100.0, 1_250.0)]]).is_none(), "2.5 ms each");
        assert!(judged(&[before, &[("a", 1_010.0, 1_500.0)]]).is_none(), "ten calls say nothing");
        assert!(judged(&[before, &[("a", 1_000.0, 1_000.0)]]).is_none(), "nobody calls");
    }

    #[test]
    fn another_mixture_of_statements_is_no_slowdown() {
        let before: &[(&str, f64, f64)] = &[("fast", 1_000.0, 100.0), ("slow", 1_000.0, 50_000.0)];
        let more_of_the_slow: &[(&str, f64, f64)] = &[("fast", 1_010.0, 101.0), ("slow", 1_100.0, 55_000.0)];
        assert_eq!(judged(&[before, more_of_the_slow]), None);
        // Statements that are new have nothing to be compared with: our own are among them.
        let new: &[(&str, f64, f64)] =
            &[("fast", 1_100.0, 110.0), ("slow", 1_000.0, 50_000.0), ("new", 100.0, 90_000.0)];
        assert_eq!(judged(&[before, new]), None);
    }

    #[test]
    fn what_nobody_feels_and_what_was_reset_are_no_slowdown() {
        let before: &[(&str, f64, f64)] = &[("a", 1_000.0, 10.0)];
        assert_eq!(judged(&[before, &[("a", 1_100.0, 15.0)]]), None, "0.05 ms instead of 0.01 ms");
        assert_eq!(judged(&[before, &[("a", 5.0, 900.0)]]), None, "its counters began anew");
        assert_eq!(judged(&[before, &[]]), None, "it was forgotten");
    }
}
