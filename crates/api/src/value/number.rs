//! Numbers that YAML would round or that have a sign behind them.

use super::{Malformed, text};

text! {
    /// A part of a hundred.
    Percent, "a percentage", pattern: "^(100(\\.0{1,2})?|[0-9]{1,2}(\\.[0-9]{1,2})?)%$", longest: 8,
    write: "write a number from 0 to 100 with % behind it",
    examples: ["80%", "0%", "100%", "62.5%"]
}

text! {
    /// A number with or without a fraction.
    Decimal, "a number", pattern: "^-?[0-9]{1,18}(\\.[0-9]{1,9})?$", longest: 30,
    write: "write digits, with a point before a fraction",
    examples: ["500", "0.05", "-1"]
}

impl Percent {
    /// What it means, from 0 to 100.
    ///
    /// # Errors
    /// The text is not a percentage.
    pub fn parse(&self) -> Result<f64, Malformed> {
        let number = self.0.strip_suffix('%').and_then(|number| unsigned(number, 3, 2));
        number.filter(|n| *n <= 100.0).ok_or_else(|| self.malformed())
    }

    /// As status shows it: whole, and never above 100 or below 0.
    pub fn whole(value: f64) -> Self {
        // NaN becomes 0.
        Self(format!("{}%", value.clamp(0.0, 100.0).round() as u8))
    }
}

impl Decimal {
    /// What it means.
    ///
    /// # Errors
    /// The text is not a number.
    pub fn parse(&self) -> Result<f64, Malformed> {
        let (sign, digits) = match self.0.strip_prefix('-') {
            Some(digits) => (-1.0, digits),
            None => (1.0, self.0.as_str()),
        };
        unsigned(digits, 18, 9).map(|number| sign * number).ok_or_else(|| self.malformed())
    }
}

/// Digits, at most `whole` before the point and `fraction` behind it.
pub(super) fn unsigned(text: &str, whole: usize, fraction: usize) -> Option<f64> {
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let fits = match text.split_once('.') {
        Some((before, behind)) => digits(before, whole) && digits(behind, fraction),
        None => digits(text, whole),
    };
    if fits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::tests::agrees;
    use super::*;

    #[test]
    fn percentages_are_read() {
        let cases: &[(&str, Option<f64>)] = &[
            ("80%", Some(80.0)),
            ("0%", Some(0.0)),
            ("00%", Some(0.0)),
            ("100%", Some(100.0)),
            ("100.0%", Some(100.0)),
            ("62.5%", Some(62.5)),
            ("99.99%", Some(99.99)),
            ("", None),
            ("%", None),
            ("80", None),
            ("0.8", None),
            ("101%", None),
            ("100.1%", None),
            ("-1%", None),
            ("80 %", None),
            (".5%", None),
            ("5.%", None),
            ("1e1%", None),
            ("80%%", None),
            ("NaN%", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Percent::from(*text).parse().ok(), *expected, "{text:?}");
            agrees(Percent::FORM, text, expected.is_some());
        }
    }

    #[test]
    fn numbers_are_read() {
        let cases: &[(&str, Option<f64>)] = &[
            ("500", Some(500.0)),
            ("0.05", Some(0.05)),
            ("-1", Some(-1.0)),
            ("-0.5", Some(-0.5)),
            ("", None),
            ("-", None),
            ("+1", None),
            ("1e3", None),
            ("500m", None),
            (".5", None),
            ("1,5", None),
            ("inf", None),
            ("NaN", None),
            ("1 ", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Decimal::from(*text).parse().ok(), *expected, "{text:?}");
            agrees(Decimal::FORM, text, expected.is_some());
        }
    }

    #[test]
    fn percentages_are_written_whole() {
        for (value, text) in
            [(0.0, "0%"), (61.5, "62%"), (100.4, "100%"), (250.0, "100%"), (-3.0, "0%"), (f64::NAN, "0%")]
        {
            assert_eq!(Percent::whole(value).as_str(), text);
        }
    }
}
