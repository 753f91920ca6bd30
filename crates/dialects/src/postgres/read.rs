//! Says what each statement of a script does.
//!
//! The grammar is that of the crate `squawk-syntax`, whose trees keep every byte. A statement that it does not
//! know is [`Action::Unparsed`] and never an error: the server may be newer than the grammar.

mod alter_table;
mod data;
mod index;
mod nesting;
mod object;
mod session;
mod statement;
mod table;
mod tree;

use cofferdam_core::change::{Action, Change};
use cofferdam_core::{Refusal, Script};
use squawk_syntax::{SourceFile, SyntaxKind as Kind, SyntaxNode};

use super::lex::{Lexer, Token};
use super::split::scan;
use crate::Parsed;
use crate::directive::directives;

/// Says what each statement of a script does, and what its comments ask for.
///
/// # Errors
/// Those of [`split`](super::split), and `BadDirective`.
pub fn read(script: &Script) -> Result<Parsed, Box<Refusal>> {
    let scan = scan(script)?;
    let directives = directives(script, &scan.comments, &scan.pieces)?;
    let changes = scan.pieces.into_iter().map(|piece| Change {
        action: action(&piece.text),
        text: piece.text,
        at: piece.at,
        copy_rows: piece.copy_rows,
        comments: piece.comments,
    });
    Ok(Parsed { changes: changes.collect(), directives, engine: "postgresql" })
}

/// What one statement does.
pub(crate) fn action(text: &str) -> Action {
    if nesting::depth(text) > nesting::LIMIT {
        return unparsed("it is nested too deep to be analysed");
    }
    let shortened = without_rows(text);
    let parse = SourceFile::parse(shortened.as_deref().unwrap_or(text));
    let root = parse.syntax_node();
    if let Some(error) = parse.errors().iter().find(|e| !in_body(&root, usize::from(e.range().start()))) {
        return unparsed(&format!("{} at byte {}", error.message(), usize::from(error.range().start())));
    }
    let mut statements = root.children();
    match (statements.next(), statements.next()) {
        (Some(one), None) => statement::action(&one),
        _ => unparsed("it is not one statement"),
    }
}

fn unparsed(why: &str) -> Action {
    Action::Unparsed { why: why.to_owned() }
}

/// The place is in the text of a routine's body, which may be in another language, or newer. What a routine
/// does when it is called is no part of what `CREATE FUNCTION` does.
fn in_body(root: &SyntaxNode, offset: usize) -> bool {
    root.descendants()
        .filter(|n| n.kind() == Kind::AS_FUNC_OPTION)
        .any(|n| (usize::from(n.text_range().start())..usize::from(n.text_range().end())).contains(&offset))
}

/// A long `INSERT ... VALUES`, such as seeds are made of, with one row instead of all: the tree of the rows
/// would need twenty times the memory of their text and nothing in it is asked for.
fn without_rows(text: &str) -> Option<String> {
    const LONG: usize = 64 * 1024;
    if text.len() < LONG {
        return None;
    }
    let mut lexer = Lexer::new(text, 0);
    let (mut depth, mut insert) = (0usize, None);
    while let Ok(Some((token, at))) = lexer.next() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Word => {
                let word = &text[at.clone()];
                if !*insert.get_or_insert(word.eq_ignore_ascii_case("insert")) {
                    return None;
                }
                if depth == 0 && word.eq_ignore_ascii_case("values") {
                    return Some(format!("{} (NULL)", &text[..at.end]));
                }
            }
            _ => {}
        }
    }
    None
}
