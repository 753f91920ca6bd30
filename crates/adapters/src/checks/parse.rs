//! `--check disk-space=20GB`, `--check custom='SELECT ...'`, `--check custom:name='SELECT ...'`.

use std::time::Duration;

use cofferdam_core::{Code, Refusal};

use super::{Asked, CHECKS, Check, Takes, Value, check};

/// Reads a check as it is written on the command line and in `cofferdam.yaml`.
///
/// # Errors
/// `BadCheck`: there is no such check, or what stands behind its id is not what it takes.
pub fn parse(text: &str) -> Result<Asked, Box<Refusal>> {
    let (head, value) = match text.split_once('=') {
        Some((head, value)) => (head.trim(), Some(value.trim()).filter(|value| !value.is_empty())),
        None => (text.trim(), None),
    };
    let (id, name) = head.split_once(':').unwrap_or((head, ""));
    let Some(check) = check(id) else {
        let known: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
        let refusal = Refusal::new(Code::BadCheck, format!("there is no check {id:?}"))
            .cause(format!("the checks are {}", known.join(", ")));
        return Err(Box::new(match cofferdam_formats::nearest(id, known.iter().copied()) {
            Some(near) => refusal.help(format!("did you mean --check {near}?")),
            None => refusal.help("cofferdam doctor looks at all of them"),
        }));
    };
    if !name.is_empty() && check.takes != Takes::Sql {
        let what = format!("check {id} takes no name");
        return Err(Box::new(Refusal::new(Code::BadCheck, what).help(format!("--check {id}"))));
    }
    let value = match (check.takes, value) {
        (Takes::Nothing | Takes::Bytes | Takes::Age, None) => Value::Default,
        (Takes::Bytes, Some(text)) => Value::Bytes(bytes(text).ok_or_else(|| misread(check, text))?),
        (Takes::Age, Some(text)) => Value::Age(age(text).ok_or_else(|| misread(check, text))?),
        (Takes::Sql, Some(text)) => Value::Sql(text.to_owned()),
        (Takes::Nothing, Some(text)) => return Err(misread(check, text)),
        (Takes::Sql, None) => return Err(misread(check, "")),
    };
    Ok(Asked { name: name.to_owned(), ..Asked::new(check, value) })
}

fn misread(check: &Check, text: &str) -> Box<Refusal> {
    let (takes, example) = match check.takes {
        Takes::Nothing => ("no value", String::new()),
        Takes::Bytes => ("a size with its unit", "=20GB".to_owned()),
        Takes::Age => ("a time with its unit", "=30s".to_owned()),
        Takes::Sql => ("a query that returns one value, true", "='SELECT ...'".to_owned()),
    };
    Box::new(
        Refusal::new(Code::BadCheck, format!("check {} takes {takes}, and not {text:?}", check.id))
            .help(format!("--check {}{example}", check.id)),
    )
}

/// Reads `20GB`, `512MiB`, `1.5TB`: powers of ten, or with `i` powers of two. `None`: it is no size.
pub fn bytes(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(at);
    let unit: u64 = match unit.trim() {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" | "Ki" => 1 << 10,
        "MiB" | "Mi" => 1 << 20,
        "GiB" | "Gi" => 1 << 30,
        "TiB" | "Ti" => 1 << 40,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    let bytes = number * unit as f64;
    (1.0..9e18).contains(&bytes).then_some(bytes as u64)
}

/// Reads `500ms`, `30s`, `5m`, `2h`, `1d`. `None`: it is no time.
pub fn age(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}
