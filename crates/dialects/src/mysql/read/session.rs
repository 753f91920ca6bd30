//! `SET` and its forms.

use cofferdam_core::Action;

use super::super::Flavour;
use super::super::lex::Token;
use super::cursor::Cursor;
use super::{Read, versions};

/// SET, behind that word.
pub(super) fn set(cursor: &mut Cursor<'_>) -> Read<Action> {
    if cursor.eat(&["role"]) {
        cursor.skip_all();
        return Ok(Action::SetRole);
    }
    for (words, kind) in [
        (&["default", "role"][..], "SET DEFAULT ROLE"),
        (&["password"], "SET PASSWORD"),
        (&["resource"], "SET RESOURCE GROUP"),
    ] {
        if cursor.eat(words) {
            cursor.skip_all();
            return Ok(Action::Other { kind: kind.to_owned() });
        }
    }
    let found = settings(cursor)?;
    Ok(match found.iter().find(|setting| setting.global) {
        Some(_) => Action::Other { kind: "SET GLOBAL".to_owned() },
        None => Action::SetSession { name: found.into_iter().next().map(|s| s.name).unwrap_or_default() },
    })
}

struct Setting {
    name: String,
    value: String,
    /// It is one of the whole server.
    global: bool,
}

/// All settings of a SET, behind that word.
fn settings(cursor: &mut Cursor<'_>) -> Read<Vec<Setting>> {
    let mut all = Vec::new();
    loop {
        let scope =
            ["global", "persist", "persist_only", "session", "local"].into_iter().find(|w| cursor.eat(&[w]));
        let mut global = scope.is_some_and(|scope| !["session", "local"].contains(&scope));
        let name = if cursor.eat_one(&["transaction"]) {
            "transaction".to_owned()
        } else if cursor.eat(&["names"]) {
            "names".to_owned()
        } else if cursor.eat(&["character", "set"])
            || cursor.eat(&["charset"])
            || cursor.eat(&["char", "set"])
        {
            "character set".to_owned()
        } else {
            match cursor.next() {
                Some(t) if matches!(t.kind, Token::Word | Token::Variable | Token::QuotedName) => {
                    let name = t.text.to_ascii_lowercase();
                    let (scoped, name) = match name.strip_prefix("@@") {
                        Some(system) => match system.split_once('.') {
                            Some((scope @ ("global" | "persist" | "persist_only"), name)) => {
                                (Some(scope), name.to_owned())
                            }
                            Some(("session" | "local", name)) => (None, name.to_owned()),
                            _ => (None, system.to_owned()),
                        },
                        None => (None, name),
                    };
                    global |= scoped.is_some();
                    name
                }
                _ => return Err(cursor.unexpected("the name of a setting was expected before")),
            }
        };
        if !cursor.eat_equals() {
            cursor.eat(&[":", "="]);
        }
        let from = cursor.mark();
        cursor.skip_clause()?;
        all.push(Setting { name, value: cursor.text_from(from).to_owned(), global });
        if !cursor.eat(&[","]) {
            return Ok(all);
        }
    }
}

/// The settings of the session that a `SET` makes, in order: the name in lower case and the value as written. Empty for
/// any other statement.
pub fn assignments(text: &str, flavour: Flavour) -> Vec<(String, String)> {
    let mut cursor = Cursor::new(versions::tokens(text, flavour, true).tokens, text, flavour);
    if !cursor.eat(&["set"]) {
        return Vec::new();
    }
    let all = settings(&mut cursor).unwrap_or_default();
    all.into_iter().filter(|s| !s.global).map(|s| (s.name, s.value)).collect()
}
