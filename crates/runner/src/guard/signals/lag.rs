//! `maxReplicationLag`: standbys keep up.

use std::time::Duration;

use super::super::seen::{Seen, shown};
use super::super::{Condition, Thresholds};
use super::{PATIENCE, Signal};

pub(super) static SIGNAL: Signal = Signal {
    key: "maxReplicationLag",
    about: "how far the standby that is farthest behind has replayed",
    source: "the server's list of its standbys",
    condition: Condition::PerformanceDegradation,
    asked: |thresholds| thresholds.max_lag.map(shown),
    judge,
};

fn judge(seen: &Seen, thresholds: &Thresholds) -> Option<String> {
    let limit = thresholds.max_lag?;
    let last = seen.lag.values.back().map(|(_, seconds)| Duration::from_secs_f64(seconds.max(0.0)));
    let text = last
        .filter(|lag| *lag > limit)
        .map(|lag| format!("standby {} was {} behind", seen.standby, shown(lag)));
    text.or_else(|| seen.lag.source.silent(seen.now, PATIENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_look_counts() {
        let limited = Thresholds { max_lag: Some(Duration::from_secs(10)), ..Thresholds::default() };
        for (values, now, breached) in
            [(&[11.0][..], 1, true), (&[11.0, 2.0], 2, false), (&[10.0], 1, false), (&[0.0], 17, true)]
        {
            let mut seen = Seen { now: Duration::from_secs(now), ..Seen::default() };
            for (at, value) in values.iter().enumerate() {
                seen.lag.add(Duration::from_secs(at as u64), Ok(*value));
            }
            assert_eq!(judge(&seen, &limited).is_some(), breached, "{values:?} {now}");
        }
    }
}
