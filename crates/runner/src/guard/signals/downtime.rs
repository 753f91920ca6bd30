//! `maxDowntime`: tables can be read and written.

use std::time::Duration;

use super::super::seen::{Seen, shown};
use super::super::{Condition, Thresholds};
use super::{PATIENCE, Signal};

/// A limit of zero allows what a single try for a lock takes: nothing can be changed without any.
const LEAST: Duration = Duration::from_millis(500);

pub(super) static SIGNAL: Signal = Signal {
    key: "maxDowntime",
    about: "time for which one of the tables cannot be read or written because of the run, at a stretch and in all",
    source: "a session that takes the locks of a reader and of a writer several times a second",
    condition: Condition::PerformanceDegradation,
    asked: |thresholds| thresholds.max_downtime.map(shown),
    judge,
};

fn judge(seen: &Seen, thresholds: &Thresholds) -> Option<String> {
    let limit = thresholds.max_downtime?;
    let (longest, text) = seen.stalls.worst(seen.now);
    if longest > limit.max(LEAST) {
        return Some(text);
    }
    let (sum, text) = seen.stalls.sum(seen.now);
    // Of a limit of zero there is no sum: each try may take its half second.
    if sum > limit && !limit.is_zero() && limit >= LEAST {
        return Some(text);
    }
    seen.stalls.source.silent(seen.now, PATIENCE)
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Name;
    use cofferdam_engines::{Touch, TouchEnd};

    use super::*;

    const TABLE: &str = "orders";

    /// Rounds: when each ended, how long its touch waited, whether it passed, and whether ours held it.
    type Round = (u64, u64, bool, Option<bool>);

    fn seen(now: u64, rounds: &[Round]) -> Seen {
        let ms = Duration::from_millis;
        let mut seen = Seen { now: ms(now), ..Seen::default() };
        for (at, waited, passed, ours) in rounds {
            let end = if *passed { TouchEnd::Passed } else { TouchEnd::GaveUp };
            let touch = Touch {
                table: Name::plain(TABLE),
                writes: true,
                waited: ms(*waited),
                end,
                held_by: vec![],
                ours: *ours,
            };
            seen.stalls.add(ms(*at), &[touch]);
        }
        seen
    }

    fn judged(limit_ms: u64, now: u64, rounds: &[Round]) -> Option<String> {
        let limited =
            Thresholds { max_downtime: Some(Duration::from_millis(limit_ms)), ..Thresholds::default() };
        judge(&seen(now, rounds), &limited)
    }

    #[test]
    fn the_longest_stretch_counts_also_while_it_goes_on() {
        const OURS: Option<bool> = Some(true);
        for (limit, now, rounds, breached) in [
            // Nothing waits.
            (2_000, 1_000, &[(200, 0, true, None), (400, 1, true, None)][..], false),
            // Tries that give up one after the other are one stretch, from the first one's beginning.
            (2_000, 2_300, &[(250, 250, false, OURS), (2_250, 250, false, OURS)], true),
            (2_000, 1_900, &[(250, 250, false, OURS), (1_800, 250, false, OURS)], false),
            // It ended within the limit, and beyond it.
            (2_000, 9_000, &[(250, 250, false, OURS), (1_900, 100, true, OURS)], false),
            (2_000, 9_000, &[(250, 250, false, OURS), (2_400, 100, true, OURS)], true),
            // Nobody has asked since, and it goes on.
            (2_000, 9_000, &[(250, 250, false, None)], true),
            // Others hold it: none of our doing.
            (2_000, 9_000, &[(250, 250, false, Some(false)), (8_900, 250, false, Some(false))], false),
            // First others, then ours stands in the queue: it counts from its beginning.
            (2_000, 3_000, &[(250, 250, false, Some(false)), (2_900, 250, false, OURS)], true),
        ] {
            assert_eq!(judged(limit, now, rounds).is_some(), breached, "{now} {rounds:?}");
        }
        let text = judged(2_000, 9_000, &[(250, 250, false, OURS), (2_400, 100, true, OURS)]);
        assert_eq!(text.as_deref(), Some("orders could not be written for 2.4 s"));
    }

    #[test]
    fn many_short_stretches_count_together() {
        let each: Vec<Round> = (1..=5).map(|n| (n * 1_000, 450, true, Some(true))).collect();
        let text = judged(2_000, 5_000, &each);
        assert_eq!(text.as_deref(), Some("orders could not be written for 2.2 s in all"));
        assert_eq!(judged(2_000, 5_000, &each[..4]), None);
        // Waits that nobody feels do not add up, and with a limit of zero nothing does.
        let tiny: Vec<Round> = (1..=90).map(|n| (n * 100, 90, true, Some(true))).collect();
        assert_eq!(judged(2_000, 9_000, &tiny), None);
        assert_eq!(judged(0, 5_000, &each), None);
        assert!(judged(0, 5_000, &[(1_000, 600, true, Some(true))]).is_some());
    }

    #[test]
    fn a_probe_that_falls_silent_counts_as_a_breach() {
        let mut silent = seen(60_000, &[(40_000, 0, true, None)]);
        let limited = Thresholds { max_downtime: Some(Duration::from_secs(2)), ..Thresholds::default() };
        silent.stalls.source.name = "the server".into();
        silent.stalls.source.failed("the connection broke");
        let text = judge(&silent, &limited).unwrap();
        assert!(text.contains("the server has given no value for 20.0 s"), "{text}");
        assert!(text.ends_with("the connection broke"), "{text}");
    }

    #[test]
    fn a_table_that_goes_on_purpose_is_no_downtime() {
        let mut gone = seen(400, &[(250, 250, false, Some(true))]);
        let absent = Touch {
            table: Name::plain(TABLE),
            writes: true,
            waited: Duration::ZERO,
            end: TouchEnd::Absent,
            held_by: vec![],
            ours: None,
        };
        gone.stalls.add(Duration::from_millis(400), &[absent]);
        gone.now = Duration::from_secs(10);
        assert_eq!(gone.stalls.worst(gone.now).0, Duration::ZERO);
    }
}
