//! What a run that ends tells those who count runs: a process that lives for minutes cannot be asked.

mod pushgateway;

pub use pushgateway::{Group, Pushgateway};

use std::fmt::Write;

use cofferdam_core::figures::Figures;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// `Succeeded`, `RolledBack`, `Failed`.
    pub result: String,
    /// Why: a word of the closed set of reasons, or the code of an error.
    pub reason: String,
    /// How long it took, where that is known.
    pub seconds: Option<f64>,
    /// When it ended, in seconds since 1970.
    pub ended: i64,
    /// What it measured.
    pub figures: Figures,
}

/// Every name begins so: what the operator counts over all runs has other names and other types.
const PREFIX: &str = "cofferdam_last_run_";

impl Told {
    /// In Prometheus' text format 0.0.4. All are gauges: they are about one run, and the next one replaces them.
    pub fn text(&self) -> String {
        let seconds = |ms: u64| ms as f64 / 1000.0;
        let figures = &self.figures;
        let rolled_back = if self.result == "RolledBack" { 1.0 } else { 0.0 };
        let succeeded = if self.result == "Succeeded" { 1.0 } else { 0.0 };
        let all: [(&str, &str, Option<f64>); 8] = [
            ("ended_timestamp_seconds", "When it ended, in seconds since 1970", Some(self.ended as f64)),
            ("duration_seconds", "How long it took", self.seconds),
            ("rolled_back", "1: what it changed was taken back", Some(rolled_back)),
            ("rows", "Rows that it copied into shadow tables", Some(figures.rows as f64)),
            (
                "largest_lag_keys",
                "The most changed keys that it had still to bring over",
                figures.largest_lag.map(|lag| lag as f64),
            ),
            ("throttled_seconds", "How long it went slower for others", figures.throttled_ms.map(seconds)),
            (
                "cutover_lock_seconds",
                "The longest time for which a cutover had its tables locked",
                figures.lock_ms.map(seconds),
            ),
            ("succeeded", "1: the database has what was asked for", Some(succeeded)),
        ];
        let mut text = String::new();
        let mut family = |name: &str, help: &str, labels: &str, value: f64| {
            // Writing into a String does not fail.
            let _ = writeln!(text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} gauge");
            let _ = writeln!(text, "{PREFIX}{name}{labels} {value}");
        };
        let labels = format!("{{result=\"{}\",reason=\"{}\"}}", escaped(&self.result), escaped(&self.reason));
        family("info", "How it ended, and why", &labels, 1.0);
        for (name, help, value) in all {
            if let Some(value) = value {
                family(name, help, "", value);
            }
        }
        text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_told() {
        let told = Told {
            result: "Failed".into(),
            reason: "a \"b\"\\\n".into(),
            seconds: Some(90.5),
            ended: 1_800_000_000,
            figures: Figures { rows: 3, ..Figures::default() },
        };
        let text = told.text();
        for line in [
            r#"cofferdam_last_run_info{result="Failed",reason="a \"b\"\\\n"} 1"#,
            "cofferdam_last_run_duration_seconds 90.5",
            "cofferdam_last_run_ended_timestamp_seconds 1800000000",
            "cofferdam_last_run_rows 3",
            "cofferdam_last_run_succeeded 0",
            "cofferdam_last_run_rolled_back 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("lock_seconds") && !text.contains("lag") && text.ends_with('\n'));
    }
}
