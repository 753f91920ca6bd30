//! How deep a statement is nested, before a parser that calls itself is let at it.

use super::super::lex::{Lexer, Token};

/// The parser needs less than 2 MiB of stack for this much, also in a build without optimisation; a statement
/// that needs more is not parsed, because running out of stack ends the whole process.
pub(super) const LIMIT: usize = 1000;

/// What a parenthesis costs, compared to a link of a chain such as `a + b + c`.
const BRACKET: usize = 5;

/// An estimate of how much stack the parser needs, in links of a chain: each bracket, CASE, operator and
/// conjunction nests its neighbours by one. A comma or `;` ends the chain before it.
pub(super) fn depth(text: &str) -> usize {
    let mut lexer = Lexer::new(text, 0);
    let mut levels: Vec<usize> = vec![0];
    let (mut current, mut deepest) = (0usize, 0usize);
    while let Ok(Some((token, at))) = lexer.next() {
        let part = &text[at];
        let is = |words: &[&str]| words.iter().any(|w| part.eq_ignore_ascii_case(w));
        let opens = token == Token::Open || part == "[" || token == Token::Word && is(&["case"]);
        let closes = token == Token::Close || part == "]" || token == Token::Word && is(&["end"]);
        if opens {
            levels.push(0);
            current += BRACKET;
        } else if closes {
            if levels.len() > 1 {
                current -= BRACKET + levels.pop().unwrap_or_default();
            }
        } else if part == "," || token == Token::Semicolon {
            current -= levels.last_mut().map(std::mem::take).unwrap_or_default();
        } else if token == Token::Other && part != "." || token == Token::Word && is(LINKS) {
            current += 1;
            if let Some(level) = levels.last_mut() {
                *level += 1;
            }
        }
        deepest = deepest.max(current);
    }
    deepest
}

const LINKS: &[&str] = &[
    "and",
    "or",
    "not",
    "is",
    "in",
    "like",
    "ilike",
    "between",
    "collate",
    "at",
    "union",
    "except",
    "intersect",
    "join",
    "isnull",
    "notnull",
    "operator",
    "similar",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_five_and_links_one_and_commas_begin_anew() {
        for (text, expected) in [
            ("SELECT 1", 0),
            ("SELECT ((1))", 10),
            ("SELECT (a + b), (c)", 6),
            ("SELECT a or b or c", 2),
            ("VALUES (1,2),(3,4),(5,6)", 5),
            ("SELECT case when a[1] then (b) end, 'a+b+(((('", 10),
            (") ) ]", 0),
        ] {
            assert_eq!(depth(text), expected, "{text}");
        }
    }
}
