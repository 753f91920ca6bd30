//! The flags of the watch beside a run.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::{Code, Refusal, Result};
use cofferdam_runner::{Condition, Guarding, Outside, Thresholds, Way};

use super::duration;
use crate::config::Settings;

/// What is watched, and what becomes of a run that breaches a limit.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Watch")]
pub(crate) struct GuardFlags {
    /// Longest time from the beginning to the swap, or to the end where there is none
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) max_time: Option<Duration>,
    /// Longest time for which a table may not be readable or writable, as measured; at a stretch, and in all
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) max_downtime: Option<Duration>,
    /// Most of the server's processors that may be busy, as a mean over a minute
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) max_cpu: Option<f64>,
    /// Most of the server's memory that may be in use, as a mean over a minute
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) max_memory: Option<f64>,
    /// How many times as long as before statements about the tables may take
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub(crate) max_slowdown: Option<f64>,
    /// How far a standby may be behind
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) max_lag: Option<Duration>,
    /// Watch the application so long after the swap of an online change, and swap back where a limit is breached
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) bake: Option<Duration>,
    /// With --bake: a query that must return no row; may be repeated
    #[arg(long, value_name = "SQL")]
    pub(crate) post_check: Vec<String>,
    /// Where a limit is breached, stop and wait for a person
    #[arg(long)]
    pub(crate) no_auto_rollback: bool,
    /// What the run is taken back for: data-corruption, performance-degradation, timeout, check-failed [default: all]
    #[arg(long, value_name = "CONDITION", value_delimiter = ',', value_parser = condition)]
    pub(crate) rollback_on: Vec<Condition>,
    /// immediate cancels the statement that runs, graceful lets it end [default: immediate]
    #[arg(long, value_name = "HOW", value_parser = way)]
    pub(crate) rollback_how: Option<Way>,
}

impl GuardFlags {
    /// What was asked for: flag, then environment of cofferdam.yaml.
    ///
    /// # Errors
    /// `Usage`: checks without a time in which they are run.
    pub(crate) fn guarding(&self, settings: &Settings, outside: Arc<dyn Outside>) -> Result<Guarding> {
        let keys = &settings.guard;
        let defaults = Guarding::default();
        let thresholds = Thresholds {
            max_time: self.max_time.or(keys.max_time),
            max_downtime: self.max_downtime.or(keys.max_downtime),
            max_cpu: self.max_cpu.or(keys.max_cpu),
            max_memory: self.max_memory.or(keys.max_memory),
            max_slowdown: self.max_slowdown.or(keys.max_slowdown),
            max_lag: self.max_lag.or(keys.max_lag),
        };
        let bake = self.bake.or(keys.bake).unwrap_or_default();
        if bake.is_zero() && !self.post_check.is_empty() {
            return Err(Refusal::new(Code::Usage, "--post-check is for the time after the swap")
                .cause("without --bake there is no such time")
                .help("--bake 60s")
                .into());
        }
        let conditions = match self.rollback_on.as_slice() {
            [] => keys.rollback_on.clone().unwrap_or(defaults.conditions),
            given => given.to_vec(),
        };
        Ok(Guarding {
            thresholds,
            conditions,
            automatic: !self.no_auto_rollback && keys.auto_rollback.unwrap_or(true),
            way: self.rollback_how.or(keys.rollback_how).unwrap_or_default(),
            bake,
            checks: keys.post_checks.iter().chain(&self.post_check).cloned().collect(),
            outside: Some(outside),
        })
    }
}

/// Reads `80%` or `80` as 0.8.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
    match number {
        Ok(number) if number > 0.0 && number <= 100.0 => Ok(number / 100.0),
        _ => Err(format!("{text:?} is not a share; write 80%")),
    }
}

/// Reads `3` or `1.5`.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn factor(text: &str) -> Result<f64, String> {
    match text.strip_suffix('x').unwrap_or(text).parse::<f64>() {
        Ok(number) if number >= 1.0 && number.is_finite() => Ok(number),
        _ => Err(format!("{text:?} is not a factor of at least 1; write 3 for three times as long")),
    }
}

/// Reads a condition.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn condition(text: &str) -> Result<Condition, String> {
    let known = || Condition::ALL.iter().map(|condition| condition.word()).collect::<Vec<_>>().join(", ");
    let found = Condition::ALL.iter().copied().find(|condition| condition.word() == text);
    found.ok_or_else(|| format!("one of: {}", known()))
}

/// Reads how a run is taken back.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn way(text: &str) -> Result<Way, String> {
    match text {
        "immediate" => Ok(Way::Immediate),
        "graceful" => Ok(Way::Graceful),
        _ => Err("one of: immediate, graceful".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_factors_are_read_in_one_unit() {
        for (text, expected) in [
            ("80%", Some(0.8)),
            ("80", Some(0.8)),
            ("0.5%", Some(0.005)),
            ("100", Some(1.0)),
            ("0", None),
            ("101%", None),
            ("-1", None),
            ("NaN", None),
            ("", None),
        ] {
            assert_eq!(percent(text).ok(), expected, "{text}");
        }
        for (text, expected) in
            [("3", Some(3.0)), ("1.5x", Some(1.5)), ("0.5", None), ("inf", None), ("x", None)]
        {
            assert_eq!(factor(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn every_condition_can_be_typed() {
        for known in Condition::ALL {
            assert_eq!(condition(known.word()), Ok(*known));
        }
        assert!(condition("bored").unwrap_err().contains("check-failed"));
    }
}
