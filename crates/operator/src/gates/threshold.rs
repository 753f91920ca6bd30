//! Values, and what they must fulfil. Pure.

use cofferdam_api::checks::{MetricCheck, Threshold};

/// What was read of a metric: a value of each series, or why there is none.
pub type Reading = Result<Vec<f64>, String>;

/// What a reading says of a check; each with words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It lies within its limit.
    Holds(String),
    /// It was read, and does not.
    Breached(String),
    /// It could not be read: nobody knows.
    Unread(String),
}

/// Judges a reading.
pub fn judge(check: &MetricCheck, reading: &Reading) -> Verdict {
    let name = &check.name;
    let unread = |why: &str| Verdict::Unread(format!("metric {name} cannot be read: {why}"));
    let values = match reading {
        Err(why) => return unread(why),
        Ok(values) if values.is_empty() => return unread("there is no value of it"),
        Ok(values) => values,
    };
    let Some(value) = check.reduce.of(values) else {
        return unread("a value is not a number, as a part of nothing is where there was no traffic");
    };
    let Threshold { operator, value: limit } = &check.threshold;
    let Ok(edge) = limit.parse() else { return unread(&format!("its limit {limit} is not a number")) };
    let of = match values.len() {
        1 => String::new(),
        several => format!(" ({} of {several} values)", check.reduce),
    };
    let shown = shown(value, edge);
    if operator.holds(value, edge) {
        Verdict::Holds(shown)
    } else {
        Verdict::Breached(format!("metric {name} is {shown}{of} and must be {operator} {limit}"))
    }
}

/// With four digits that count: more of them would change at every look. Where that would hide on which side of the edge
/// it lies, with all of them.
pub fn shown(value: f64, edge: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return value.to_string();
    }
    let digits = (3.0 - value.abs().log10().floor()).clamp(0.0, 12.0);
    let scale = 10_f64.powf(digits);
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() && (rounded != edge || value == edge) {
        rounded.to_string()
    } else {
        value.to_string()
    }
}

/// A quantity of Kubernetes: `250m`, `1.5k`, `3Gi`, `12e3`.
pub fn quantity(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    if !digits.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // Tenths are multiplied by nothing: `50m` must be the same number as `0.05`.
    let decimal = |power: i32| format!("{digits}e{power}").parse().ok();
    let binary = |power: i32| digits.parse::<f64>().ok().map(|number| number * 1024_f64.powi(power));
    let value: Option<f64> = match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => decimal(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    value.filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(operator: &str, value: &str, reduce: &str) -> MetricCheck {
        serde_json::from_value(json!({
            "name": "latency", "metricName": "p99", "reduce": reduce,
            "threshold": { "operator": operator, "value": value },
        }))
        .unwrap()
    }

    #[test]
    fn a_reading_holds_or_not_or_nobody_knows() {
        let read = |values: &[f64]| Reading::Ok(values.to_vec());
        for (operator, limit, reduce, reading, expected) in [
            ("<", "500", "Max", read(&[499.0]), "holds 499"),
            ("<", "500", "Max", read(&[500.0]), "metric latency is 500 and must be < 500"),
            ("<=", "500", "Max", read(&[500.0]), "holds 500"),
            (
                "<",
                "500",
                "Max",
                read(&[812.4567, 3.0]),
                "metric latency is 812.5 (Max of 2 values) and must be < 500",
            ),
            ("<", "500", "Min", read(&[812.0, 3.0]), "holds 3"),
            (
                "<",
                "500",
                "Avg",
                read(&[900.0, 200.0]),
                "metric latency is 550 (Avg of 2 values) and must be < 500",
            ),
            (">=", "2", "Sum", read(&[1.0, 1.0]), "holds 2"),
            ("<=", "0.05", "Max", read(&[0.050_000_1]), "metric latency is 0.0500001 and must be <= 0.05"),
            ("<", "500", "Max", read(&[f64::INFINITY]), "metric latency is inf and must be < 500"),
            (">", "0", "Max", read(&[]), "unread metric latency cannot be read: there is no value of it"),
            (
                "<",
                "500",
                "Max",
                read(&[1.0, f64::NAN]),
                "unread metric latency cannot be read: a value is not a number, as a part of nothing is where there was no traffic",
            ),
            ("<", "500", "Max", Err("no route".into()), "unread metric latency cannot be read: no route"),
        ] {
            let said = match judge(&check(operator, limit, reduce), &reading) {
                Verdict::Holds(value) => format!("holds {value}"),
                Verdict::Breached(why) => why,
                Verdict::Unread(why) => format!("unread {why}"),
            };
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn numbers_are_shown_short() {
        for (value, expected) in [
            (0.0, "0"),
            (0.123_456, "0.1235"),
            (1234.567, "1235"),
            (-0.000_123_456, "-0.0001235"),
            (1e15, "1000000000000000"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(shown(value, 7.0), expected);
        }
    }

    #[test]
    fn quantities_are_read() {
        for (text, expected) in [
            ("250m", Some(0.25)),
            ("0", Some(0.0)),
            ("-3", Some(-3.0)),
            ("1.5k", Some(1500.0)),
            ("2Mi", Some(2_097_152.0)),
            ("12e3", Some(12_000.0)),
            ("12E-1", Some(1.2)),
            ("1E", Some(1e18)),
            ("40n", Some(0.000_000_04)),
            ("50m", Some(0.05)),
            ("1.1.1m", None),
            ("", None),
            ("m", None),
            ("1.2.3", None),
            ("5mm", None),
            ("1e", None),
            ("NaN", None),
            ("inf", None),
            ("1e999", None),
            ("3 Gi", None),
        ] {
            assert_eq!(quantity(text), expected, "{text}");
        }
    }
}
