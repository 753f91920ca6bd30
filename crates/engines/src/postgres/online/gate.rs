//! Waiting for the moment of the swap, with both tables kept the same.

use std::time::{Duration, Instant};

use cofferdam_core::fault::Result;
use cofferdam_core::online::Gate;

use super::{Work, apply, compare, worker};

/// A comparison is not older than this when the gate opens.
const FRESH: Duration = Duration::from_secs(15 * 60);

/// Returns when the tables may be swapped.
pub(super) async fn wait(work: &Work<'_>) -> Result<()> {
    let client = worker::connect_to_begin(work, "apply").await?;
    let mut compared = Instant::now();
    while !open(&work.change.gate, work.valve().cutover, jiff::Timestamp::now()) {
        work.doing("waiting for the cutover", 0);
        work.check()?;
        apply::drain(work, &client, 500).await?;
        if compared.elapsed() > FRESH {
            compare::forget(work, &client).await?;
            compare::all(work).await?;
            compared = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    worker::crash_at("online.gate.opened")
}

fn open(gate: &Gate, asked: bool, now: jiff::Timestamp) -> bool {
    match gate {
        Gate::Auto => true,
        Gate::Manual => asked,
        Gate::Window { from, until } => {
            let now = now.strftime("%H:%M").to_string();
            // A window over midnight is what lies outside of the day's part between its end and its beginning.
            let inside =
                if from <= until { *from <= now && now < *until } else { now >= *from || now < *until };
            asked || inside
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_lie_over_midnight() {
        let at = |time: &str| format!("2026-11-21T{time}:00Z").parse::<jiff::Timestamp>().unwrap();
        let gate = |from: &str, until: &str| Gate::Window { from: from.into(), until: until.into() };
        assert!(open(&gate("02:00", "04:00"), false, at("02:00")));
        assert!(!open(&gate("02:00", "04:00"), false, at("04:00")));
        assert!(open(&gate("23:00", "01:00"), false, at("00:30")));
        assert!(!open(&gate("23:00", "01:00"), false, at("12:00")));
        assert!(open(&gate("02:00", "04:00"), true, at("12:00")));
        assert!(!open(&Gate::Manual, false, at("12:00")));
    }
}
