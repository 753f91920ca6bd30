//! How Atlas divides a file into statements.
//!
//! Statements are run as the dialect divides them. What Atlas counts is needed all the same: its history stores the
//! number of statements, and of a file that failed half-way the hashes of those that are there.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cofferdam_core::Script;
use sha2::{Digest, Sha256};

/// The statements of a text, comments before them and their `;` included.
pub fn statements<'t>(text: &'t str, delimiter: Option<&str>) -> Vec<&'t str> {
    ranges(text, delimiter).into_iter().map(|range| text[range].trim()).collect()
}

/// The hashes by which Atlas knows the first statements of a file: each covers those before it, too.
pub fn hashes<'t>(statements: impl IntoIterator<Item = &'t str>) -> Vec<String> {
    let mut running = Sha256::new();
    let hash = |statement: &str| {
        running.update(statement.as_bytes());
        format!("h1:{}", STANDARD.encode(running.clone().finalize()))
    };
    statements.into_iter().map(hash).collect()
}

/// The number of statements that Atlas writes into its history for this script as it was read.
pub fn count(script: &Script) -> usize {
    // `ended` left a `;` in place of each delimiter.
    statements(&script.text, None).len()
}

/// The script with a `;` where its delimiter ends a statement. All lines stay where they are.
pub(super) fn ended(script: Script, delimiter: Option<&str>) -> Script {
    let Some(delimiter) = delimiter else { return script };
    // The first line names the delimiter, and is none.
    let head = script.text.find('\n').map_or(script.text.len(), |end| end + 1);
    let (first, body) = script.text.split_at(head);
    let mut text = first.to_owned();
    let mut at = 0;
    for range in ranges(body, Some(delimiter)) {
        let Some(end) =
            range.end.checked_sub(delimiter.len()).filter(|end| body[*end..].starts_with(delimiter))
        else {
            continue;
        };
        text.push_str(&body[at..end]);
        at = range.end;
        if body[range.start..end].trim_end().ends_with(';') {
            // Ended already: blanks keep the place of what follows, and line ends stay.
            text.extend(delimiter.chars().map(|c| if c.is_whitespace() { c } else { ' ' }));
        } else {
            text.push_str(&semicolon(delimiter));
        }
    }
    text.push_str(&body[at..]);
    Script { text: text.into(), ..script }
}

/// A `;` in place of a delimiter, behind its first line end: before it there may be a comment.
fn semicolon(delimiter: &str) -> String {
    match delimiter.find('\n') {
        Some(end) => format!("{};{}", &delimiter[..=end], &delimiter[end + 1..]),
        None => format!("{:width$}", ";", width = delimiter.chars().count()),
    }
}

/// The places of the statements, each with the delimiter that ends it.
fn ranges(text: &str, delimiter: Option<&str>) -> Vec<Range<usize>> {
    let delimiter = delimiter.unwrap_or(";");
    let mut ranges = Vec::new();
    let mut open = Open::default();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if open.depth == 0 && open.atomic == 0 && ends_here(rest, delimiter) {
            at += delimiter.len();
            if open.any {
                ranges.push(open.start..at);
            }
            open = Open { start: at, ..Open::default() };
            continue;
        }
        let (length, token) = token(rest);
        match token {
            Token::Blank | Token::Comment => {}
            Token::Other(c) => {
                open.any = true;
                match c {
                    '(' => open.depth += 1,
                    ')' => open.depth = open.depth.saturating_sub(1),
                    _ => {}
                }
                open.before = None;
            }
            Token::Word => {
                open.any = true;
                open.word(&rest[..length].to_ascii_uppercase());
            }
        }
        at += length;
    }
    if open.any {
        ranges.push(open.start..text.len());
    }
    ranges
}

/// The delimiter stands here, and is not the beginning of a longer word.
fn ends_here(text: &str, delimiter: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.strip_prefix(delimiter)
        .is_some_and(|rest| !(delimiter.ends_with(is_word) && rest.starts_with(is_word)))
}

/// The statement that is being read.
#[derive(Default)]
struct Open {
    start: usize,
    /// There is something in it besides blanks and comments.
    any: bool,
    /// How many parentheses are open.
    depth: usize,
    /// How many `BEGIN ATOMIC` and `CASE` are open.
    atomic: usize,
    before: Option<String>,
}

impl Open {
    fn word(&mut self, word: &str) {
        match word {
            "ATOMIC" if self.before.as_deref() == Some("BEGIN") => self.atomic += 1,
            "CASE" if self.atomic > 0 => self.atomic += 1,
            "END" if self.atomic > 0 => self.atomic -= 1,
            _ => {}
        }
        self.before = Some(word.to_owned());
    }
}

enum Token {
    Blank,
    Comment,
    Word,
    /// A quoted text (its first character), or a sign.
    Other(char),
}

/// The length of what stands at the start of a text, which is not empty, and what it is.
fn token(text: &str) -> (usize, Token) {
    let Some(first) = text.chars().next() else { return (1, Token::Blank) };
    let to_end = |found: Option<usize>, length: usize| found.map_or(text.len(), |at| at + length);
    match first {
        c if c.is_whitespace() => (c.len_utf8(), Token::Blank),
        '-' if text.starts_with("--") => (to_end(text.find('\n'), 0), Token::Comment),
        '/' if text.starts_with("/*") => (to_end(text[2..].find("*/"), 4), Token::Comment),
        '\'' | '"' | '`' => (to_end(text[1..].find(first), 2), Token::Other(first)),
        '$' => match dollar_quoted(text) {
            Some(length) => (length, Token::Other(first)),
            None => (1, Token::Other(first)),
        },
        c if c.is_alphanumeric() || c == '_' => {
            // A `$` inside of a name begins no quote.
            let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
            (end.unwrap_or(text.len()), Token::Word)
        }
        c => (c.len_utf8(), Token::Other(c)),
    }
}

fn dollar_quoted(text: &str) -> Option<usize> {
    let name = text[1..].find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    let tag = text.get(..name + 2).filter(|tag| tag.ends_with('$'))?;
    Some(text[tag.len()..].find(tag).map_or(text.len(), |end| end + 2 * tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_divided_outside_of_quotes_and_bodies() {
        for (text, expected) in [
            ("", &[][..]),
            ("-- only a comment\n", &[]),
            ("SELECT 1; -- tail", &["SELECT 1;"]),
            ("-- a;\nSELECT ';' /* ; */;SELECT 2", &["-- a;\nSELECT ';' /* ; */;", "SELECT 2"]),
            ("DO $$ ; $$; DO $x$ $$;$$ $x$", &["DO $$ ; $$;", "DO $x$ $$;$$ $x$"]),
            (
                "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); x",
                &["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);", "x"],
            ),
            (
                "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END; x",
                &["CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END;", "x"],
            ),
            ("BEGIN; SELECT 1; END;", &["BEGIN;", "SELECT 1;", "END;"]),
        ] {
            assert_eq!(statements(text, None), expected, "{text}");
        }
    }

    #[test]
    fn a_delimiter_becomes_a_semicolon_and_lines_stay() {
        for (delimiter, body, expected) in [
            ("-- end", "SELECT 1\n-- end\nSELECT 2;\n-- end\n", "SELECT 1\n;     \nSELECT 2;\n      \n"),
            ("\n\n", "SELECT 1 -- x\n\nSELECT 2", "SELECT 1 -- x\n;\nSELECT 2"),
            ("GO", "SELECT 'GO' GO SELECT GOOD", "SELECT 'GO' ;  SELECT GOOD"),
        ] {
            let head = format!("-- atlas:delimiter {}\n", delimiter.replace('\n', "\\n"));
            let script = Script::new("a.sql", format!("{head}{body}"));
            let ended = ended(script.clone(), Some(delimiter));
            assert_eq!(ended.text.as_str(), format!("{head}{expected}"));
            assert_eq!(ended.text.lines().count(), script.text.lines().count());
            assert_eq!(count(&ended), 2, "{delimiter:?}");
        }
    }
}
