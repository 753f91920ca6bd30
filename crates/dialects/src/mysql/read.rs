//! Statements to what they do: MySQL's and MariaDB's own grammar, as far as changes need it.
//!
//! A small reader of its own, because no parser for Rust knows half of their `ALTER TABLE`. It walks the tokens of one
//! statement from left to right and calls itself nowhere, so that no text is too deep for it. What it does not know is
//! `Unparsed`, and a clause that it does not know `Other`: nothing is guessed.

mod alter_table;
mod column;
mod cursor;
mod data;
mod index;
mod object;
mod options;
mod partition;
mod session;
mod statement;
mod table;
mod versions;

use std::ops::Range;

use cofferdam_core::{Action, Change, Refusal, Script, TableChange};

use super::Flavour;
use super::split::scan;
use crate::Parsed;
use crate::directive::directives;
use cursor::Cursor;

pub use session::assignments;

/// What a reader function finds, or why it cannot.
type Read<T> = Result<T, String>;

/// Says what each statement of a script does on MySQL, and what its comments ask for.
///
/// # Errors
/// Those of [`split`](super::split), and `BadDirective`.
pub fn read_mysql(script: &Script) -> Result<Parsed, Box<Refusal>> {
    read(script, Flavour::MySql)
}

/// As [`read_mysql`], on MariaDB.
///
/// # Errors
/// Those of [`split`](super::split), and `BadDirective`.
pub fn read_mariadb(script: &Script) -> Result<Parsed, Box<Refusal>> {
    read(script, Flavour::MariaDb)
}

fn read(script: &Script, flavour: Flavour) -> Result<Parsed, Box<Refusal>> {
    let scan = scan(script)?;
    let directives = directives(script, &scan.comments, &scan.pieces)?;
    let changes = scan.pieces.into_iter().map(|piece| Change {
        action: action(&piece.text, flavour),
        text: piece.text,
        at: piece.at,
        copy_rows: piece.copy_rows,
        comments: piece.comments,
    });
    let engine = if flavour == Flavour::MySql { "mysql" } else { "mariadb" };
    Ok(Parsed { changes: changes.collect(), directives, engine })
}

/// What one statement does. Where a comment for some versions decides that, both readings must agree.
pub(super) fn action(text: &str, flavour: Flavour) -> Action {
    let with = versions::tokens(text, flavour, true);
    let found = one(with.tokens, text, flavour);
    match with.perhaps {
        Some(mark) if one(versions::tokens(text, flavour, false).tokens, text, flavour) != found => {
            Action::Unparsed { why: format!("what it does depends on the server's version, by {mark}") }
        }
        _ => found,
    }
}

fn one(tokens: Vec<cursor::Tok<'_>>, text: &str, flavour: Flavour) -> Action {
    if tokens.is_empty() {
        return Action::Other { kind: "NOTHING ON THIS SERVER".to_owned() };
    }
    let mut cursor = Cursor::new(tokens, text, flavour);
    let found = statement::statement(&mut cursor);
    match found {
        Ok(action) => match cursor.peek() {
            // Each function reads all that it knows: what is left is not known.
            Some(left) => {
                unparsed(&format!("`{}` at byte {} is not understood", short(left.text), left.at.start))
            }
            None => action,
        },
        Err(why) => unparsed(&why),
    }
}

fn unparsed(why: &str) -> Action {
    Action::Unparsed { why: why.to_owned() }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// One of these words stands in the statement, outside of parentheses, quotes and comments; in lower case.
pub(super) fn says(text: &str, flavour: Flavour, words: &[&str]) -> bool {
    Cursor::new(versions::tokens(text, flavour, true).tokens, text, flavour).says(words)
}

/// Where the clauses of an `ALTER TABLE`, or of the statements that are carried out as one, stand in its text: as many as
/// the reader finds, in its order. `None` for other statements.
pub fn clauses(text: &str, flavour: Flavour) -> Option<Vec<Range<usize>>> {
    let mut cursor = Cursor::new(versions::tokens(text, flavour, true).tokens, text, flavour);
    let parts: Vec<(TableChange, Range<usize>)> = alter_table::parts(&mut cursor).ok()??;
    Some(parts.into_iter().map(|(_, at)| at).collect())
}
