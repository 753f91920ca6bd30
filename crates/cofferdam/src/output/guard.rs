//! What the watch found and measured, in words.

use cofferdam_runner::{Breach, Guarded};

use crate::args::duration::shown;

/// What was measured, a line; empty: nothing was.
pub(crate) fn measured(guard: Option<&Guarded>) -> String {
    let Some(guard) = guard else { return String::new() };
    let mut parts = Vec::new();
    if let Some(downtime) = &guard.downtime {
        let table = downtime.table.as_deref().map(|table| format!(" ({table})")).unwrap_or_default();
        parts.push(format!(
            "downtime at a stretch {}{table}, in all {}",
            shown(downtime.longest_ms),
            shown(downtime.sum_ms)
        ));
    }
    let percent =
        |what: &str, ratio: Option<f64>| ratio.map(|ratio| format!("{what} {:.0} %", ratio * 100.0));
    parts.extend(percent("processors", guard.cpu));
    parts.extend(percent("memory", guard.memory));
    parts.extend(guard.lag_ms.map(|ms| format!("standby behind {}", shown(ms))));
    parts.extend(guard.slowdown.map(|times| format!("statements {times:.1} times as long")));
    if parts.is_empty() { String::new() } else { format!("\nAt most: {}", parts.join("; ")) }
}

/// What was found, and what becomes of the run.
pub(crate) fn breached(breach: &Breach, losses: &[String]) -> String {
    let next =
        if breach.automatic { "the run is taken back" } else { "the run stops and waits for a person" };
    let losses = match losses {
        [] => String::new(),
        losses => format!(" (lost by that: {})", losses.join("; ")),
    };
    format!("{}; {next}{losses}", breach.sentence())
}

#[cfg(test)]
mod tests {
    use cofferdam_runner::Downtime;

    use super::*;

    #[test]
    fn what_was_measured_is_a_line() {
        assert_eq!(measured(None), "");
        assert_eq!(measured(Some(&Guarded::default())), "");
        let downtime =
            Downtime { longest_ms: 240, sum_ms: 1_300, table: Some("orders".into()), by_others_ms: 0 };
        let guard = Guarded { downtime: Some(downtime), cpu: Some(0.42), ..Guarded::default() };
        assert_eq!(
            measured(Some(&guard)),
            "\nAt most: downtime at a stretch 240 ms (orders), in all 1.3 s; processors 42 %"
        );
    }
}
