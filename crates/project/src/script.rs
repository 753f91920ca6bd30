//! One script of a project.

use cofferdam_core::Script;

use crate::stage::Stage;

/// What a script is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It makes the change.
    Forward,
    /// It takes the change back.
    Rollback,
    /// It proves the change: queries that must return no row.
    Validation,
}

impl Role {
    /// For a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Role::Forward => "script",
            Role::Rollback => "rollback",
            Role::Validation => "validation",
        }
    }
}

/// A script with its place in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is for.
    pub role: Role,
    /// The stage whose directory it lies in; `None` in the directories of rollbacks and validations.
    pub stage: Option<Stage>,
    /// The number behind the version, or the moment of a script for MongoDB: scripts of one number belong together.
    pub number: u128,
    /// The number as it is written.
    pub digits: String,
    /// What the name says, `_` turned into spaces.
    pub description: String,
    /// Its text and the SHA-256 of its bytes.
    pub script: Script,
}

impl Item {
    /// Nothing in it would run: it is empty, or comments alone.
    pub(crate) fn is_blank(&self, sql: bool) -> bool {
        let mut rest = self.script.text.as_ref();
        let (line, nested) = if sql { ("--", true) } else { ("//", false) };
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
            if let Some(comment) = rest.strip_prefix(line) {
                rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
            } else if let Some(comment) = rest.strip_prefix("/*") {
                rest = behind_comment(comment, nested);
            } else {
                return rest.is_empty();
            }
        }
    }

    /// A script of MongoDB that carries its own way back, as migrate-mongo has it.
    pub(crate) fn has_down(&self) -> bool {
        let code = without_comments(self.script.text.as_ref());
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        code.match_indices("down").any(|(at, found)| {
            let before = code[..at].chars().next_back();
            let behind = code[at + found.len()..].trim_start();
            !before.is_some_and(word) && behind.starts_with(['(', ':', '='])
        })
    }
}

/// What comes after the end of a comment; those of SQL nest.
fn behind_comment(text: &str, nested: bool) -> &str {
    let (mut depth, mut at) = (1, 0);
    while depth > 0 {
        let Some(rest) = text.get(at..) else { return "" };
        let (opens, closes) = (rest.find("/*").filter(|_| nested), rest.find("*/"));
        match (opens, closes) {
            (Some(open), Some(close)) if open < close => (depth, at) = (depth + 1, at + open + 2),
            (_, Some(close)) => (depth, at) = (depth - 1, at + close + 2),
            (_, None) => return "",
        }
    }
    &text[at..]
}

/// JavaScript without whole comments. A `//` in a text hides the rest of its line, which can only make a way back
/// unseen, never seen where there is none.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("//").into_iter().chain(rest.find("/*")).min() {
        out += &rest[..at];
        rest = match rest[at..].strip_prefix("//") {
            Some(comment) => comment.find('\n').map_or("", |end| &comment[end..]),
            None => behind_comment(&rest[at + 2..], false),
        };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(text: &str) -> Item {
        Item {
            role: Role::Forward,
            stage: None,
            number: 1,
            digits: "001".into(),
            description: String::new(),
            script: Script::new("a", text),
        }
    }

    #[test]
    fn comments_alone_are_blank() {
        for (text, sql, blank) in [
            ("", true, true),
            ("-- a\n  -- b", true, true),
            ("/* a /* b */ ; SELECT 1 */ ;\n", true, true),
            ("/* open SELECT 1", true, true),
            ("-- a\nSELECT 1", true, false),
            ("/* a */ BEGIN;", true, false),
            ("// a\n/* b */", false, true),
            ("/* /* */ x", false, false),
            ("// a\nx", false, false),
        ] {
            assert_eq!(item(text).is_blank(sql), blank, "{text}");
        }
    }

    #[test]
    fn a_way_back_of_javascript_is_code() {
        for (text, has) in [
            ("module.exports = { async up(db) {}, async down(db, client) {} };", true),
            ("exports.down = async (db) => {};", true),
            ("module.exports = { up, down: back };", true),
            ("// async down(db) {}\nmodule.exports = { async up(db) {} };", false),
            ("/* down() */ module.exports = { async up(db) { shutdown(db); } };", false),
            ("const url = 'http://x'; exports.down = 1;\n", false),
        ] {
            assert_eq!(item(text).has_down(), has, "{text}");
        }
    }
}
