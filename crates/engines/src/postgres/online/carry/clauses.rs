//! Reading the clauses of an ALTER TABLE as far as the catalog cannot tell what they did: which of them make no sense
//! for a table that is about to be replaced, and by which expression a type is changed.

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

/// A word, a quoted name, a string or a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    start: usize,
    /// How many brackets it is in.
    depth: usize,
}

/// One of the comma-separated clauses.
#[derive(Debug, Clone)]
pub(super) struct Clause<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
}

/// A column whose type is changed by an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Using {
    pub(super) column: String,
    pub(super) expression: String,
}

fn refuse(why: &str) -> Fault {
    Refusal::new(Code::StatementFailed, format!("the clauses of ALTER TABLE cannot be read: {why}"))
        .help("write what follows the table's name in ALTER TABLE, as in: ALTER COLUMN id TYPE bigint")
        .into()
}

/// The clauses, in order.
pub(super) fn split(text: &str) -> Result<Vec<Clause<'_>>> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Err(refuse("there are none"));
    }
    if tokens.iter().any(|t| t.text == ";") {
        return Err(refuse("there is a semicolon in them"));
    }
    let mut out = Vec::new();
    for part in tokens.split(|t| t.text == "," && t.depth == 0) {
        let (Some(first), Some(last)) = (part.first(), part.last()) else {
            return Err(refuse("there is nothing beside a comma"));
        };
        let text = &text[first.start..last.start + last.text.len()];
        out.push(Clause { text, tokens: part.to_vec() });
    }
    Ok(out)
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>> {
    let mut out: Vec<Token<'_>> = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '-' if rest.starts_with("--") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            '/' if rest.starts_with("/*") => {
                at += comment(rest)?;
                continue;
            }
            '"' => quoted(rest, '"', false)?,
            '\'' => {
                let escapes = out
                    .last()
                    .is_some_and(|t| t.text.eq_ignore_ascii_case("e") && t.start + t.text.len() == at);
                quoted(rest, '\'', escapes)?
            }
            '$' => dollar(rest)?.unwrap_or(1),
            c if word(c) => rest.find(|c: char| !word(c) && c != '$').unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        if matches!(c, ')' | ']') {
            depth =
                depth.checked_sub(1).ok_or_else(|| refuse("a bracket is closed that was never opened"))?;
        }
        out.push(Token { text: &rest[..length], start: at, depth });
        depth += usize::from(matches!(c, '(' | '['));
        at += length;
    }
    if depth > 0 {
        return Err(refuse("a bracket is not closed"));
    }
    Ok(out)
}

fn word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || !c.is_ascii()
}

fn quoted(rest: &str, quote: char, escapes: bool) -> Result<usize> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => {
                    chars.next();
                }
                _ => return Ok(at + 1),
            }
        }
    }
    Err(refuse("a quote is not closed"))
}

fn comment(rest: &str) -> Result<usize> {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return Ok(at);
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    Err(refuse("a comment is not closed"))
}

/// The length of a dollar-quoted string; `None`: it is not one.
fn dollar(rest: &str) -> Result<Option<usize>> {
    let Some(end) = rest[1..].find('$').map(|n| n + 2) else { return Ok(None) };
    let tag = &rest[..end];
    if !tag[1..end - 1].chars().all(word) || tag[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(None);
    }
    match rest[end..].find(tag) {
        Some(length) => Ok(Some(end + length + tag.len())),
        None => Err(refuse("a dollar quote is not closed")),
    }
}

impl Clause<'_> {
    fn is(&self, place: usize, word: &str) -> bool {
        self.tokens.get(place).is_some_and(|t| t.text.eq_ignore_ascii_case(word))
    }

    fn begins(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(n, w)| self.is(n, w))
    }

    /// Why it cannot be done by a shadow table; each says what would do.
    pub(super) fn obstacle(&self) -> Option<String> {
        const SENSELESS: &[(&[&str], &str)] = &[
            (&["RENAME"], "a new name rewrites nothing, and a table under a new name cannot be swapped in"),
            (&["SET", "SCHEMA"], "the move to another schema rewrites nothing"),
            (&["OWNER", "TO"], "a new owner rewrites nothing"),
            (&["ATTACH"], "a partition is attached in the catalog alone"),
            (&["DETACH"], "a partition is detached in the catalog alone"),
            (&["INHERIT"], "inheritance is of the table itself and not of its successor"),
            (&["NO", "INHERIT"], "inheritance is of the table itself and not of its successor"),
            (&["OF"], "a table of a type is not carried over"),
            (&["NOT", "OF"], "a table of a type is not carried over"),
            (&["ENABLE"], "triggers, rules and row security are switched in the catalog alone"),
            (&["DISABLE"], "triggers, rules and row security are switched in the catalog alone"),
            (&["FORCE"], "row security is switched in the catalog alone"),
            (&["NO", "FORCE"], "row security is switched in the catalog alone"),
        ];
        let direct = "run this clause by itself with --strategy direct";
        if let Some((_, why)) = SENSELESS.iter().find(|(words, _)| self.begins(words)) {
            return Some(format!("{}: {why}; {direct}", self.text));
        }
        let restarts = self.begins(&["ALTER"])
            && self.tokens.iter().any(|t| t.depth == 0 && t.text.eq_ignore_ascii_case("RESTART"));
        restarts.then(|| {
            format!(
                "{}: the sequence goes on where it stands when the tables are swapped; {direct}",
                self.text
            )
        })
    }

    /// `ALTER [COLUMN] name [SET DATA] TYPE ... USING expression`.
    pub(super) fn using(&self) -> Option<Using> {
        if !self.is(0, "ALTER") {
            return None;
        }
        let name = if self.is(1, "COLUMN") { 2 } else { 1 };
        let ty = if self.is(name + 1, "SET") && self.is(name + 2, "DATA") { name + 3 } else { name + 1 };
        if !self.is(ty, "TYPE") {
            return None;
        }
        let using = self.tokens.iter().find(|t| t.depth == 0 && t.text.eq_ignore_ascii_case("USING"))?;
        let end = using.start + using.text.len() - self.tokens.first()?.start;
        Some(Using {
            column: folded(self.tokens.get(name)?.text),
            expression: self.text[end..].trim().to_owned(),
        })
    }
}

/// A name as the server stores it.
fn folded(text: &str) -> String {
    match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => text.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_told_apart_by_the_commas_between_them() {
        for (text, expected) in [
            ("ADD COLUMN a int", &["ADD COLUMN a int"][..]),
            ("ADD a numeric(10, 2), DROP b", &["ADD a numeric(10, 2)", "DROP b"]),
            ("ADD a text DEFAULT 'x,''y', DROP b", &["ADD a text DEFAULT 'x,''y'", "DROP b"]),
            (r"ADD a text DEFAULT E'\',', DROP b", &[r"ADD a text DEFAULT E'\','", "DROP b"]),
            ("ADD a text DEFAULT $q$,$$,$q$ , DROP b", &["ADD a text DEFAULT $q$,$$,$q$", "DROP b"]),
            ("DROP \"a,\"\"b\" /* , /* , */ */, -- ,\n DROP c", &["DROP \"a,\"\"b\"", "DROP c"]),
            ("ADD a int[] DEFAULT ARRAY[1, 2]", &["ADD a int[] DEFAULT ARRAY[1, 2]"]),
        ] {
            let found = split(text).unwrap();
            assert_eq!(found.iter().map(|c| c.text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in [
            "",
            " -- x",
            "DROP a; DROP b",
            "ADD a int DEFAULT 'x",
            "ADD a int)",
            "ADD a (",
            "/* x",
            "a,,b",
            "$a$ x",
        ] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn expressions_of_type_changes_are_found() {
        let using = |text| split(text).unwrap().iter().find_map(Clause::using);
        let found = |column: &str, expression: &str| {
            Some(Using { column: column.into(), expression: expression.into() })
        };
        for (text, expected) in [
            ("ALTER COLUMN A TYPE int USING a::int", found("a", "a::int")),
            ("ALTER a SET DATA TYPE int USING length((a))", found("a", "length((a))")),
            ("DROP b, ALTER \"A b\" TYPE numeric(3, 1) COLLATE \"C\" USING (1, 2)", found("A b", "(1, 2)")),
            ("ALTER a TYPE int", None),
            ("ADD CONSTRAINT x PRIMARY KEY USING INDEX y", None),
            ("ALTER a SET DEFAULT 'USING x'", None),
        ] {
            assert_eq!(using(text), expected, "{text}");
        }
    }

    #[test]
    fn senseless_clauses_have_a_reason() {
        for (text, senseless) in [
            ("RENAME TO b", true),
            ("rename column a TO b", true),
            ("SET SCHEMA x", true),
            ("SET (fillfactor = 70)", false),
            ("SET LOGGED", false),
            ("ENABLE ROW LEVEL SECURITY", true),
            ("DISABLE TRIGGER ALL", true),
            ("INHERIT x", true),
            ("NO INHERIT x", true),
            ("OF x", true),
            ("ATTACH PARTITION x DEFAULT", true),
            ("OWNER TO x", true),
            ("ALTER id RESTART WITH 4", true),
            ("ADD restart int", false),
            ("DROP COLUMN enable", false),
        ] {
            assert_eq!(split(text).unwrap()[0].obstacle().is_some(), senseless, "{text}");
        }
    }
}
