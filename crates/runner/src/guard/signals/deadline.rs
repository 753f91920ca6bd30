//! `maxMigrationTime`: the change is there in time.

use super::super::seen::{Seen, shown};
use super::super::{Condition, Thresholds};
use super::Signal;

pub(super) static SIGNAL: Signal = Signal {
    key: "maxMigrationTime",
    about: "time from the run's beginning to the swap, or to its end where there is no swap",
    source: "the clock; a run that goes on after a crash counts from its first beginning",
    condition: Condition::Timeout,
    asked: |thresholds| thresholds.max_time.map(shown),
    judge,
};

fn judge(seen: &Seen, thresholds: &Thresholds) -> Option<String> {
    let limit = thresholds.max_time?;
    (!seen.swapped && seen.age > limit).then(|| format!("the run began {} ago", shown(seen.age)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_counts_until_the_swap() {
        let limited = Thresholds { max_time: Some(Duration::from_secs(30)), ..Thresholds::default() };
        for (age, swapped, breached) in
            [(29, false, false), (30, false, false), (31, false, true), (31, true, false)]
        {
            let seen = Seen { age: Duration::from_secs(age), swapped, ..Seen::default() };
            assert_eq!(judge(&seen, &limited).is_some(), breached, "{age} {swapped}");
        }
    }
}
