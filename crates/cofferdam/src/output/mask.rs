//! Passwords out of texts.
//!
//! URLs are masked where they are shown. This is the net below: a text that reaches stderr may carry a URL that
//! a library or the command line put into it, and no password may be in what is written.

const MASK: &str = "***";

/// The text with every password replaced: that of a URL (`scheme://user:***@host`), and those of
/// `password=...` and `pgpassword=...` in any case.
pub(crate) fn text(text: &str) -> String {
    // Nearly every text has neither, so nearly every text is only looked at.
    if !text.contains("://") && !text.to_ascii_lowercase().contains("password=") {
        return text.to_owned();
    }
    parameters(&urls(text))
}

fn urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '`')).unwrap_or(after.len());
        let (url, next) = after.split_at(end);
        // Up to the last @: a password that was not percent-encoded may itself hold /, ?, # and @.
        match (url.find(':'), url.rfind('@')) {
            (Some(colon), Some(sign)) if colon < sign => {
                out.push_str(&url[..=colon]);
                out.push_str(MASK);
                out.push_str(&url[sign..]);
            }
            _ => out.push_str(url),
        }
        rest = next;
    }
    out.push_str(rest);
    out
}

fn parameters(text: &str) -> String {
    const KEY: &str = "password=";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // ASCII lowercasing keeps every byte where it is.
    while let Some(at) = rest.to_ascii_lowercase().find(KEY) {
        let (before, after) = rest.split_at(at + KEY.len());
        out.push_str(before);
        out.push_str(MASK);
        rest = &after[value_length(after)..];
    }
    out.push_str(rest);
    out
}

/// The length of the value at the start of a text: to the closing quote, where a backslash keeps a quote inside;
/// else to white space or `&`.
fn value_length(text: &str) -> usize {
    let Some(quoted) = text.strip_prefix('\'') else {
        return text.find(|c: char| c.is_whitespace() || c == '&').unwrap_or(text.len());
    };
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return at + 2,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_wherever_they_stand() {
        for (input, output) in [
            ("nothing here", "nothing here"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("at postgres://u:pw@h:5432/d now", "at postgres://u:***@h:5432/d now"),
            ("postgres://u:p/w?#@:x@h/d", "postgres://u:***@h/d"),
            ("'postgres://u:it's@h/d'", "'postgres://u:***@h/d'"),
            ("http://a.b:80/c", "http://a.b:80/c"),
            ("a://x:1@y b://z:2@w", "a://x:***@y b://z:***@w"),
            ("postgres://h/d?password=pw&sslmode=require", "postgres://h/d?password=***&sslmode=require"),
            ("host=h password=pw dbname=d", "host=h password=*** dbname=d"),
            (r"password='a b\' c' dbname=d", "password=*** dbname=d"),
            ("PGPASSWORD=pw psql", "PGPASSWORD=*** psql"),
            ("password='open", "password=***"),
            ("é://ü:ß@ö", "é://ü:***@ö"),
        ] {
            assert_eq!(text(input), output, "{input}");
        }
    }

    #[test]
    fn every_special_byte_in_a_password_stays_hidden() {
        for byte in (0x21..=0x7eu8).filter(|b| !matches!(b, b'"' | b'`')) {
            let secret = format!("canary{}canary", byte as char);
            let masked = text(&format!("cannot reach postgres://u:{secret}@h/d"));
            assert!(!masked.contains("canary"), "{masked}");
        }
    }
}
