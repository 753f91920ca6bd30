//! The flags of online changes.

use cofferdam_core::online::{Capture, Conversion, Gate, Proof};
use cofferdam_core::{Code, Refusal, Result};
use cofferdam_runner::Wishes;

use crate::config::Settings;

/// What is allowed with `--allow` beside the rules of lint.
pub(crate) const DATA_LOSS: &str = "data-loss";
/// See above: a swap of tables that were not compared.
pub(crate) const NO_COMPARISON: &str = "no-comparison";

/// How an online change is made.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Online change")]
pub(crate) struct OnlineFlags {
    /// When the tables are swapped: auto, manual (cofferdam cutover), or HH:MM-HH:MM in UTC
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = gate)]
    pub(crate) cutover: Gate,
    /// How changed rows are noticed: auto, rows or statements (triggers), logical (a slot)
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = capture)]
    pub(crate) capture: Capture,
    /// At most so many connections work side by side [default: cores to spare, at most 4; MySQL, MariaDB: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) workers: Option<u32>,
    /// End the revert window at once: the old table goes as soon as the new one is in its place
    #[arg(long)]
    pub(crate) finalize: bool,
    /// Compare the values of so many rows in a hundred; all rows are counted all the same [default: 100]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) sample: Option<u8>,
    /// Compare the number of rows only, and no values
    #[arg(long, conflicts_with = "sample")]
    pub(crate) no_checksum: bool,
    /// Compare nothing before the swap; needs --allow no-comparison=REASON
    #[arg(long, conflicts_with_all = ["sample", "no_checksum"])]
    pub(crate) no_compare: bool,
}

impl Default for OnlineFlags {
    fn default() -> Self {
        Self {
            cutover: Gate::Auto,
            capture: Capture::Auto,
            workers: None,
            finalize: false,
            sample: None,
            no_checksum: false,
            no_compare: false,
        }
    }
}

impl OnlineFlags {
    /// What the flags and the environment ask for; the reason for a loss is that of `--allow data-loss`.
    ///
    /// # Errors
    /// `NotCompared`: nothing is to be compared, and nobody says why.
    pub(crate) fn wishes(&self, settings: &Settings, allow: &[(String, String)]) -> Result<Wishes> {
        Ok(Wishes {
            capture: self.capture,
            gate: self.cutover.clone(),
            workers: self.workers.unwrap_or(0),
            allow_loss: loss(allow),
            proof: self.proof(settings, allow)?,
            park: None,
        })
    }

    fn proof(&self, settings: &Settings, allow: &[(String, String)]) -> Result<Proof> {
        let reason = allow.iter().find(|(what, _)| what == NO_COMPARISON).map(|(_, reason)| reason.clone());
        let skipped = match (self.no_compare, reason) {
            (true, None) => {
                return Err(Refusal::new(
                    Code::NotCompared,
                    "the tables are to be swapped without a comparison",
                )
                .cause("--no-compare proves nothing, so it needs a reason, which is kept with the run")
                .help(format!(
                    "--allow {NO_COMPARISON}=\"reason\", or compare less: --sample 10, --no-checksum"
                ))
                .into());
            }
            (true, reason) => reason,
            (false, _) => None,
        };
        let values = !self.no_checksum && (settings.checksum.unwrap_or(true) || self.sample.is_some());
        let percent = self.sample.or(settings.sample).unwrap_or(100);
        if !(1..=100).contains(&percent) {
            return Err(Refusal::new(Code::BadConfig, format!("sample: {percent} is no share in percent"))
                .help("write a number from 1 to 100; checksum: false compares the number of rows only")
                .into());
        }
        Ok(Proof { percent: if values { percent } else { 0 }, skipped })
    }
}

/// The reason that was given for losing values.
pub(crate) fn loss(allow: &[(String, String)]) -> Option<String> {
    allow.iter().find(|(what, _)| what == DATA_LOSS).map(|(_, reason)| reason.clone())
}

/// Reads `auto`, `manual`, `22:00-04:00` or `window=22:00-04:00`.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn gate(text: &str) -> Result<Gate, String> {
    match text {
        "auto" => return Ok(Gate::Auto),
        "manual" => return Ok(Gate::Manual),
        _ => {}
    }
    let window = text.strip_prefix("window=").unwrap_or(text);
    match window.split_once('-') {
        Some((from, until)) if time(from) && time(until) && from != until => {
            Ok(Gate::Window { from: from.to_owned(), until: until.to_owned() })
        }
        _ => Err("write auto, manual, or a window of the day in UTC such as 22:00-04:00".to_owned()),
    }
}

/// `HH:MM`.
fn time(text: &str) -> bool {
    let number = |text: &str, most: u8| {
        text.len() == 2
            && text.bytes().all(|b| b.is_ascii_digit())
            && text.parse().is_ok_and(|n: u8| n <= most)
    };
    text.split_once(':').is_some_and(|(hours, minutes)| number(hours, 23) && number(minutes, 59))
}

fn capture(text: &str) -> Result<Capture, String> {
    match text {
        "auto" => Ok(Capture::Auto),
        "rows" => Ok(Capture::Rows),
        "statements" => Ok(Capture::Statements),
        "logical" => Ok(Capture::Logical),
        _ => Err("one of: auto, rows, statements, logical".to_owned()),
    }
}

/// Reads `COLUMN=EXPRESSION`.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn conversion(text: &str) -> Result<Conversion, String> {
    match text.split_once('=') {
        Some((column, expression)) if !column.trim().is_empty() && !expression.trim().is_empty() => {
            Ok(Conversion { column: column.trim().to_owned(), expression: expression.trim().to_owned() })
        }
        _ => Err("write COLUMN=EXPRESSION, for example --up \"full_name=first || ' ' || last\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_a_word_or_a_window() {
        let window = |from: &str, until: &str| Some(Gate::Window { from: from.into(), until: until.into() });
        for (text, expected) in [
            ("auto", Some(Gate::Auto)),
            ("manual", Some(Gate::Manual)),
            ("22:00-04:00", window("22:00", "04:00")),
            ("window=01:30-02:00", window("01:30", "02:00")),
            ("22:00", None),
            ("24:00-04:00", None),
            ("22:60-04:00", None),
            ("2:00-04:00", None),
            ("+2:00-04:00", None),
            ("04:00-04:00", None),
            ("22-04", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(gate(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_conversion_is_split_at_its_first_sign() {
        let read = conversion("flag= a = 'x=y' ").unwrap();
        assert_eq!((read.column.as_str(), read.expression.as_str()), ("flag", "a = 'x=y'"));
        for text in ["flag", "=1", "flag= "] {
            assert!(conversion(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_reason_for_a_loss_is_found_among_the_allowances() {
        let allow = [("drop-column".to_owned(), "a".to_owned()), (DATA_LOSS.to_owned(), "b".to_owned())];
        let loss = |allow: &[(String, String)]| {
            OnlineFlags::default().wishes(&Settings::default(), allow).unwrap().allow_loss
        };
        assert_eq!(loss(&allow).as_deref(), Some("b"));
        assert_eq!(loss(&allow[..1]), None);
    }

    #[test]
    fn all_is_compared_unless_somebody_asks_for_less_and_nothing_only_with_a_reason() {
        let found = |sample,
                     no_checksum,
                     no_compare,
                     settings: (Option<u8>, Option<bool>),
                     why: Option<&str>| {
            let flags = OnlineFlags { sample, no_checksum, no_compare, ..OnlineFlags::default() };
            let settings = Settings { sample: settings.0, checksum: settings.1, ..Settings::default() };
            let allow: Vec<_> = why.iter().map(|why| (NO_COMPARISON.to_owned(), (*why).to_owned())).collect();
            flags.wishes(&settings, &allow).map(|wishes| (wishes.proof.percent, wishes.proof.skipped)).ok()
        };
        let none = (None, None);
        assert_eq!(found(None, false, false, none, None), Some((100, None)));
        assert_eq!(found(Some(10), false, false, none, None), Some((10, None)));
        assert_eq!(found(None, true, false, none, None), Some((0, None)));
        assert_eq!(found(None, false, false, (Some(5), None), None), Some((5, None)));
        assert_eq!(found(None, false, false, (Some(5), Some(false)), None), Some((0, None)));
        assert_eq!(found(Some(20), false, false, (Some(5), Some(false)), None), Some((20, None)));
        assert_eq!(found(None, false, false, (Some(0), None), None), None);
        assert_eq!(found(None, false, true, none, None), None);
        assert_eq!(found(None, false, true, none, Some("a copy")), Some((100, Some("a copy".into()))));
        // An allowance alone asks for nothing.
        assert_eq!(found(None, false, false, none, Some("a copy")), Some((100, None)));
    }
}
