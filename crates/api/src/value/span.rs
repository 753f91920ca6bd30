//! Durations: `30m`, `1h30m`, `0s`.

use std::time::Duration;

use super::{Malformed, text};

text! {
    /// A length of time.
    Span, "a duration", pattern: "^([0-9]{1,9}(ms|s|m|h|d))+$", longest: 32,
    write: "write numbers with the units d, h, m, s or ms",
    examples: ["30m", "0s", "24h", "1h30m", "15m30s", "250ms", "7d"]
}

const UNITS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Span {
    /// What it means. Parts are added, in whatever order they stand.
    ///
    /// # Errors
    /// The text is not a duration.
    pub fn parse(&self) -> Result<Duration, Malformed> {
        milliseconds(&self.0).map(Duration::from_millis).ok_or_else(|| self.malformed())
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > Span::FORM.longest as usize {
        return None;
    }
    let mut rest = text;
    let mut sum = 0u64;
    while !rest.is_empty() {
        let (digits, behind) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, next) = behind.split_at(behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len()));
        let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
        if digits.is_empty() || digits.len() > 9 {
            return None;
        }
        sum = sum.checked_add(digits.parse::<u64>().ok()?.checked_mul(*length)?)?;
        rest = next;
    }
    Some(sum)
}

/// In the largest units that fit, without a part that is 0: `15m30s`. Below a second in milliseconds, above it
/// rounded down to whole seconds, as status and messages show it.
impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        let all = duration.as_millis().min(u128::from(u64::MAX)) as u64;
        if all == 0 {
            return Span("0s".to_owned());
        }
        let mut left = if all < 1_000 { all } else { all - all % 1_000 };
        let mut text = String::new();
        for (unit, length) in UNITS {
            if left >= *length {
                text += &format!("{}{unit}", left / length);
                left %= length;
            }
        }
        Span(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::agrees;
    use super::*;

    #[test]
    fn durations_are_read() {
        let cases: &[(&str, Option<u64>)] = &[
            ("0s", Some(0)),
            ("30m", Some(1_800_000)),
            ("24h", Some(86_400_000)),
            ("1h30m", Some(5_400_000)),
            ("15m30s", Some(930_000)),
            ("250ms", Some(250)),
            ("1s500ms", Some(1_500)),
            ("7d", Some(604_800_000)),
            ("1m1m", Some(120_000)),
            ("007s", Some(7_000)),
            ("999999999d", Some(86_399_999_913_600_000)),
            ("", None),
            ("0", None),
            ("30", None),
            ("m", None),
            ("-30m", None),
            ("+30m", None),
            ("30 m", None),
            ("30m ", None),
            ("1.5h", None),
            ("30M", None),
            ("30min", None),
            ("1h30", None),
            ("1w", None),
            ("1us", None),
            ("1234567890s", None),
            ("٣s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Span::from(*text).parse().ok().map(|d| d.as_millis() as u64), *expected, "{text:?}");
            agrees(Span::FORM, text, expected.is_some());
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        let cases: &[(u64, &str)] = &[
            (0, "0s"),
            (250, "250ms"),
            (1_000, "1s"),
            (1_999, "1s"),
            (930_000, "15m30s"),
            (86_400_000, "1d"),
            (90_061_000, "1d1h1m1s"),
        ];
        for (milliseconds, text) in cases {
            let written = Span::from(Duration::from_millis(*milliseconds));
            assert_eq!(written.as_str(), *text);
            assert!(written.parse().is_ok(), "{text}");
        }
    }
}
