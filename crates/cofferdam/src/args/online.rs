//! The flags of online changes.

use cofferdam_core::online::{Capture, Conversion, Gate};
use cofferdam_runner::Wishes;

/// What is allowed with `--allow` beside the rules of lint.
pub(crate) const DATA_LOSS: &str = "data-loss";

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
    /// At most so many connections work side by side [default: cores to spare, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) workers: Option<u32>,
    /// End the revert window at once: the old table goes as soon as the new one is in its place
    #[arg(long)]
    pub(crate) finalize: bool,
}

impl Default for OnlineFlags {
    fn default() -> Self {
        Self { cutover: Gate::Auto, capture: Capture::Auto, workers: None, finalize: false }
    }
}

impl OnlineFlags {
    /// What the flags ask for; the reason for a loss is that of `--allow data-loss`.
    pub(crate) fn wishes(&self, allow: &[(String, String)]) -> Wishes {
        Wishes {
            capture: self.capture,
            gate: self.cutover.clone(),
            workers: self.workers.unwrap_or(0),
            allow_loss: loss(allow),
        }
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
        assert_eq!(OnlineFlags::default().wishes(&allow).allow_loss.as_deref(), Some("b"));
        assert_eq!(OnlineFlags::default().wishes(&allow[..1]).allow_loss, None);
    }
}
