//! Flyway's placeholders, `${name}`: replaced by the values that are given, else refused.

use cofferdam_core::{Code, Place, Refusal, Script};

use crate::format::Values;
use crate::script::span;

/// The script with the values in place of its placeholders. One without a value is refused; in a comment only where
/// `comments` says so.
///
/// # Errors
/// `PlaceholderUnsupported` with the place of the first one.
pub(super) fn replaced(script: Script, comments: bool, values: &Values) -> Result<Script, Box<Refusal>> {
    refuse(&script, comments, values)?;
    if values.is_empty() {
        return Ok(script);
    }
    let mut text = String::with_capacity(script.text.len());
    let mut at = 0;
    for (start, end) in find(&script.text, true) {
        if let Some(value) = values.get(name(&script.text[start..end])) {
            text.push_str(&script.text[at..start]);
            text.push_str(value);
            at = end;
        }
    }
    text.push_str(&script.text[at..]);
    Ok(Script { text: text.into(), ..script })
}

/// What stands between the braces.
fn name(placeholder: &str) -> &str {
    placeholder.trim_start_matches("${").trim_end_matches('}')
}

/// Refuses a script that holds a placeholder; those in comments only where `comments` says so.
///
/// # Errors
/// `PlaceholderUnsupported` with the place of the first one; the others are notes.
fn refuse(script: &Script, comments: bool, values: &Values) -> Result<(), Box<Refusal>> {
    let mut found = find(&script.text, comments);
    found.retain(|(start, end)| !values.contains_key(name(&script.text[*start..*end])));
    let Some(((start, end), others)) = found.split_first() else { return Ok(()) };
    let written = &script.text[*start..*end];
    let settings = format!("{}.conf", script.path);
    let refusal = Refusal::new(Code::PlaceholderUnsupported, format!("{} holds the placeholder {written}", script.path))
        .cause("Flyway replaces it by a value of its configuration, and none is given here")
        .help(format!(
            "write the value out; or, if the text is meant as it stands: echo placeholderReplacement=false >> {settings}"
        ))
        .at(Place::new(script.path.clone(), script.text.clone(), span(&script.text, *start, *end)));
    Err(Box::new(others.iter().fold(refusal, |refusal, (start, end)| {
        let at = span(&script.text, *start, *end);
        refusal.note(format!("{}:{}:{}: {}", script.path, at.line, at.column, &script.text[*start..*end]))
    })))
}

/// The places of all placeholders. Inside of quotes and dollar quotes everything counts, because Flyway replaces
/// there too.
fn find(text: &str, comments: bool) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = match next {
            '$' => placeholder(rest).map_or_else(
                || dollar_quoted(rest),
                |length| {
                    found.push((at, at + length));
                    None
                },
            ),
            '\'' | '"' => Some(quoted(rest, next, text[..at].ends_with(['e', 'E']))),
            '-' if rest.starts_with("--") => Some(rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => Some(block_comment(rest)),
            _ => None,
        };
        let end = at + length.unwrap_or(next.len_utf8());
        if length.is_some() && (comments || !matches!(next, '-' | '/')) {
            let inner = text[at..end].match_indices("${");
            found.extend(inner.filter_map(|(i, _)| Some((at + i, at + i + placeholder(&text[at + i..])?))));
        }
        at = end;
    }
    found
}

/// The length of the placeholder at the start of `text`: `${name}` with letters, digits, `_ . : -`.
fn placeholder(text: &str) -> Option<usize> {
    let name = text.strip_prefix("${")?;
    let length = name.find(|c: char| !(c.is_alphanumeric() || "_.:-".contains(c)))?;
    (length > 0 && name[length..].starts_with('}')).then_some(2 + length + 1)
}

/// The length of the dollar-quoted text at the start of `text`; to the end if it is never closed.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag_end = 1 + text[1..].find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    let starts_as_number = text[1..].starts_with(|c: char| c.is_ascii_digit());
    if starts_as_number || !text[tag_end..].starts_with('$') {
        return None;
    }
    let tag = &text[..=tag_end];
    Some(text[tag.len()..].find(tag).map_or(text.len(), |end| tag.len() + end + tag.len()))
}

/// The length of the quoted text at the start of `text`. A doubled quote reads as two texts, which ends at the
/// same place.
fn quoted(text: &str, quote: char, backslashes: bool) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if backslashes => escaped = true,
            _ if c == quote => return i + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// The length of the block comment at the start of `text`; they nest in PostgreSQL.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_where_flyway_replaces_them() {
        for (text, outside, anywhere) in [
            ("CREATE TABLE ${tbl} (id int)", 1, 1),
            ("SELECT '${a}', \"${b}\", '${flyway:timestamp}'", 3, 3),
            ("SELECT 1; -- ${a}\nSELECT ${b}", 1, 2),
            ("/* ${a} /* ${b} */ ${c} */ SELECT ${d}", 1, 4),
            ("SELECT '-- ${a}'", 1, 1),
            ("SELECT 'it''s -- ${a}'", 1, 1),
            (r"SELECT E'it\'s -- ${a}'", 1, 1),
            (r"SELECT 'a\' -- ${a}", 0, 1),
            ("DO $$ BEGIN -- it's ${a}\n END $$; -- ${b}", 1, 2),
            ("DO $x$ $$ ' $x$; SELECT ${a}", 1, 1),
            ("SELECT $1, '$', '${', '${}', '${a b}', ${", 0, 0),
            ("SELECT '${a", 0, 0),
            ("PREPARE q AS SELECT $1 -- ${a}\n", 0, 1),
            ("", 0, 0),
        ] {
            assert_eq!(find(text, false).len(), outside, "{text}");
            assert_eq!(find(text, true).len(), anywhere, "{text}");
        }
    }

    #[test]
    fn the_first_place_is_shown_and_the_others_are_listed() {
        let refusal =
            refuse(&Script::new("V1__a.sql", "SELECT 1;\n  ${b} ${c:d}"), false, &Values::new()).unwrap_err();
        assert_eq!(refusal.code, Code::PlaceholderUnsupported);
        let at = refusal.place.unwrap().at;
        assert_eq!((at.line, at.column, at.end - at.start), (2, 3, 4));
        assert_eq!(refusal.notes, ["V1__a.sql:2:8: ${c:d}"]);
    }
}
