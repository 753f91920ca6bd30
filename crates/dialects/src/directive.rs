//! `-- cofferdam:...`: what the comments of a script ask of Cofferdam.
//!
//! A comment that begins with `cofferdam:` is a directive or an error: one that silently did nothing would be
//! believed.

use std::ops::Range;

use cofferdam_core::{Code, Refusal, Script};

use crate::comment::{Comment, Stands};
use crate::place::place;
use crate::{Allow, Directives, Piece};

const MARK: &str = "cofferdam:";

/// The directives in the comments of a script.
///
/// # Errors
/// `BadDirective` for a word that is not known, for bad arguments, and where the directive would apply to
/// nothing.
pub(crate) fn directives(
    script: &Script,
    comments: &[Comment],
    pieces: &[Piece],
) -> Result<Directives, Box<Refusal>> {
    let header = header(comments, pieces);
    let mut all = Directives::default();
    for (index, comment) in comments.iter().enumerate() {
        let bad = |what: String| {
            let at = place(script, comment.at.start, comment.at.end);
            Box::new(Refusal::new(Code::BadDirective, what).at(at).help(HELP))
        };
        let Some(text) = directive_text(&script.text, comment.at.clone()).map_err(bad)? else { continue };
        let before = match comment.stands {
            Stands::Before(statement) => statement,
            Stands::Behind | Stands::Inside => {
                return Err(bad(
                    "a directive must stand on a line of its own, above its statement".to_owned()
                ));
            }
        };
        let words = words(text).map_err(bad)?;
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["transaction", "none"] if before == 0 => all.transaction_none = true,
            ["transaction", "none"] => {
                return Err(bad(
                    "`transaction none` is about the whole file and must stand before its first statement"
                        .to_owned(),
                ));
            }
            ["transaction", ..] => return Err(bad("`transaction` takes one word, `none`".to_owned())),
            [word @ ("allow" | "allow-file"), arguments @ ..] => {
                let whole_file = *word == "allow-file" || header.contains(&index);
                if !whole_file && before >= pieces.len() {
                    return Err(bad("no statement follows that this directive could apply to".to_owned()));
                }
                all.allows.push(allow(arguments, comment.line, whole_file).map_err(bad)?);
            }
            [word, ..] => return Err(bad(format!("`{word}` is not a directive"))),
            [] => return Err(bad("the directive has no word".to_owned())),
        }
    }
    Ok(all)
}

const HELP: &str = "write `-- cofferdam:transaction none`, `-- cofferdam:allow RULE reason=\"...\" until=2027-01-31` or `-- cofferdam:allow-file RULE reason=\"...\"`";

/// The comments that begin the file without a gap between them, if an empty line or the end of the file
/// follows them.
fn header(comments: &[Comment], pieces: &[Piece]) -> Range<usize> {
    let first = comments.iter().take_while(|c| c.stands == Stands::Before(0)).collect::<Vec<_>>();
    let joined = first.windows(2).take_while(|pair| pair[1].line <= pair[0].last_line + 1).count();
    let Some(last) = first.get(joined) else { return 0..0 };
    let next_comment = first.get(joined + 1).map(|c| c.line);
    let next = next_comment.or_else(|| pieces.first().map(|p| p.at.line));
    if next.is_none_or(|line| line > last.last_line + 1) { 0..joined + 1 } else { 0..0 }
}

/// What follows `cofferdam:` in a comment that begins with it.
fn directive_text(text: &str, at: Range<usize>) -> Result<Option<&str>, String> {
    let comment = &text[at];
    let body = match comment.strip_prefix("/*") {
        Some(rest) => rest.strip_suffix("*/").unwrap_or(rest),
        None => comment.strip_prefix("--").or_else(|| comment.strip_prefix('#')).unwrap_or(comment),
    };
    let directives =
        body.split(['\n', '\r']).filter_map(|l| l.trim_matches([' ', '\t', '*']).strip_prefix(MARK));
    let mut directives = directives.peekable();
    match directives.next() {
        None => Ok(None),
        Some(_) if body.contains(['\n', '\r']) => {
            Err("a directive must be a comment of its own, on one line".to_owned())
        }
        Some(directive) => Ok(Some(directive)),
    }
}

/// Splits at spaces outside double quotes; `key="a b"` is one word and keeps its quotes.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut all, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' if quoted => word.extend([c].into_iter().chain(characters.next())),
            '"' => {
                quoted = !quoted;
                word.push(c);
            }
            c if c.is_whitespace() && !quoted => {
                all.extend(Some(std::mem::take(&mut word)).filter(|w| !w.is_empty()))
            }
            c => word.push(c),
        }
    }
    if quoted {
        return Err("a quote of the directive is not closed".to_owned());
    }
    all.extend(Some(word).filter(|w| !w.is_empty()));
    // `-- cofferdam: allow` would read well and is a directive nowhere in the documentation.
    if text.starts_with(char::is_whitespace) {
        return Err(format!("a space stands behind `{MARK}`"));
    }
    Ok(all)
}

fn allow(arguments: &[&str], line: usize, whole_file: bool) -> Result<Allow, String> {
    let [rule, options @ ..] = arguments else { return Err("`allow` must name a rule".to_owned()) };
    if !rule.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
        return Err(format!("`{rule}` cannot be the name of a rule; a directive allows one rule"));
    }
    let mut allow = Allow { rule: (*rule).to_owned(), reason: None, until: None, line, whole_file };
    for option in options {
        let (key, value) = option
            .split_once('=')
            .ok_or_else(|| format!("`{option}` is neither reason=\"...\" nor until=YYYY-MM-DD"))?;
        let value = unquoted(value)?;
        let slot = match key {
            "reason" => &mut allow.reason,
            "until" if is_date(&value) => &mut allow.until,
            "until" => return Err(format!("`{value}` is not a day as YYYY-MM-DD")),
            _ => return Err(format!("`{key}` is neither `reason` nor `until`")),
        };
        if value.trim().is_empty() || slot.replace(value).is_some() {
            return Err(format!("`{key}` must be given once and not be empty"));
        }
    }
    Ok(allow)
}

fn unquoted(value: &str) -> Result<String, String> {
    let Some(inner) = value.strip_prefix('"') else {
        return if value.contains('"') {
            Err(format!("`{value}` is quoted in part"))
        } else {
            Ok(value.to_owned())
        };
    };
    let inner =
        inner.strip_suffix('"').ok_or_else(|| format!("`{value}` goes on behind its closing quote"))?;
    let mut text = String::new();
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => text.extend(characters.next()),
            '"' => return Err(format!("`{value}` goes on behind its closing quote")),
            c => text.push(c),
        }
    }
    Ok(text)
}

/// A day of the Gregorian calendar, `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let digits = |part: &str, count: usize| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    if !(digits(year, 4) && digits(month, 2) && digits(day, 2)) {
        return false;
    }
    let number = |part: &str| part.parse::<u32>().unwrap_or_default();
    let (year, month, day) = (number(year), number(month), number(day));
    let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}
