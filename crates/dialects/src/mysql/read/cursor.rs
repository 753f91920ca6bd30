//! Walking over the tokens of one statement.

use std::ops::Range;

use cofferdam_core::Name;

use super::super::Flavour;
use super::super::lex::Token;
use super::Read;

/// A token of a statement.
#[derive(Debug, Clone)]
pub(super) struct Tok<'a> {
    pub(super) kind: Token,
    pub(super) text: &'a str,
    pub(super) at: Range<usize>,
}

/// The tokens of a statement, and where it is being read.
pub(super) struct Cursor<'a> {
    tokens: Vec<Tok<'a>>,
    pos: usize,
    pub(super) source: &'a str,
    pub(super) flavour: Flavour,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(tokens: Vec<Tok<'a>>, source: &'a str, flavour: Flavour) -> Self {
        Self { tokens, pos: 0, source, flavour }
    }

    pub(super) fn peek(&self) -> Option<&Tok<'a>> {
        self.tokens.get(self.pos)
    }

    fn ahead(&self, n: usize) -> Option<&Tok<'a>> {
        self.tokens.get(self.pos + n)
    }

    pub(super) fn at_end(&self) -> bool {
        self.pos >= self.tokens.len()
    }

    /// Where it stands, to come back to.
    pub(super) fn mark(&self) -> usize {
        self.pos
    }

    pub(super) fn back_to(&mut self, mark: usize) {
        self.pos = mark;
    }

    pub(super) fn next(&mut self) -> Option<Tok<'a>> {
        let token = self.tokens.get(self.pos).cloned();
        self.pos += usize::from(token.is_some());
        token
    }

    /// The tokens from here on begin with these words and signs; words in lower case.
    pub(super) fn sees(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(i, word)| {
            self.ahead(i).is_some_and(|t| {
                t.text.eq_ignore_ascii_case(word) && !matches!(t.kind, Token::Text | Token::QuotedName)
            })
        })
    }

    /// The next token is one of these words.
    pub(super) fn sees_one(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.sees(&[word]))
    }

    /// Goes over these words and signs if they come next.
    pub(super) fn eat(&mut self, words: &[&str]) -> bool {
        let there = self.sees(words);
        if there {
            self.pos += words.len();
        }
        there
    }

    /// Goes over one of these words if it comes next.
    pub(super) fn eat_one(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.eat(&[word]))
    }

    /// Goes over any of these words, in any order.
    pub(super) fn eat_all(&mut self, words: &[&str]) {
        while self.eat_one(words) {}
    }

    pub(super) fn expect(&mut self, words: &[&str]) -> Read<()> {
        if self.eat(words) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("{} was expected", words.join(" ").to_uppercase())))
        }
    }

    /// What is said of the token that comes next.
    pub(super) fn unexpected(&self, what: &str) -> String {
        match self.peek() {
            Some(token) => format!("{what} at byte {}", token.at.start),
            None => format!("{what} at the end"),
        }
    }

    pub(super) fn eat_equals(&mut self) -> bool {
        self.eat(&["="])
    }

    pub(super) fn if_exists(&mut self) -> bool {
        self.eat(&["if", "exists"])
    }

    pub(super) fn if_not_exists(&mut self) -> bool {
        self.eat(&["if", "not", "exists"])
    }

    /// The unquoted word that comes next, in lower case.
    pub(super) fn word(&mut self) -> Read<String> {
        match self.peek() {
            Some(token) if token.kind == Token::Word => {
                let word = token.text.to_ascii_lowercase();
                self.pos += 1;
                Ok(word)
            }
            _ => Err(self.unexpected("a word was expected")),
        }
    }

    /// A name that has no database in front of it.
    pub(super) fn plain(&mut self) -> Read<String> {
        let Some(token) = self.peek() else { return Err(self.unexpected("a name was expected")) };
        let name = match token.kind {
            Token::Word => token.text.to_owned(),
            // Under ANSI_QUOTES a text in double quotes is a name; where a name must stand there is no other reading.
            Token::QuotedName => unquoted(token.text, '`'),
            Token::Text if token.text.starts_with('"') => unquoted(token.text, '"'),
            _ => return Err(self.unexpected("a name was expected")),
        };
        self.pos += 1;
        Ok(name)
    }

    /// `name` or `database.name`; `.name` is in the database of the session.
    pub(super) fn name(&mut self) -> Read<Name> {
        self.eat(&["."]);
        let first = self.plain()?;
        if self.eat(&["."]) { Ok(Name::qualified(first, self.plain()?)) } else { Ok(Name::plain(first)) }
    }

    /// Names with commas between them.
    pub(super) fn names(&mut self) -> Read<Vec<Name>> {
        let mut all = vec![self.name()?];
        while self.eat(&[","]) {
            all.push(self.name()?);
        }
        Ok(all)
    }

    /// As [`Cursor::names`], without databases.
    pub(super) fn plains(&mut self) -> Read<Vec<String>> {
        let mut all = vec![self.plain()?];
        while self.eat(&[","]) {
            all.push(self.plain()?);
        }
        Ok(all)
    }

    /// Goes over parentheses and what is in them. Returns what is in them, as written.
    pub(super) fn parentheses(&mut self) -> Read<&'a str> {
        let Some(open) = self.peek().filter(|t| t.kind == Token::Open).cloned() else {
            return Err(self.unexpected("a parenthesis was expected"));
        };
        let mut depth = 0usize;
        while let Some(token) = self.next() {
            match token.kind {
                Token::Open => depth += 1,
                Token::Close => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(self.source[open.at.end..token.at.start].trim());
            }
        }
        Err(format!("the parenthesis at byte {} is never closed", open.at.start))
    }

    /// Goes over everything up to a comma outside of parentheses, or the end.
    pub(super) fn skip_clause(&mut self) -> Read<()> {
        while let Some(token) = self.peek() {
            match token.kind {
                Token::Open => drop(self.parentheses()?),
                _ if token.text == "," => return Ok(()),
                _ => self.pos += 1,
            }
        }
        Ok(())
    }

    /// As [`Cursor::skip_clause`], within parentheses: up to the comma, or to the one that closes them.
    pub(super) fn skip_part(&mut self) -> Read<()> {
        while let Some(token) = self.peek() {
            match token.kind {
                Token::Open => drop(self.parentheses()?),
                Token::Close => return Ok(()),
                _ if token.text == "," => return Ok(()),
                _ => self.pos += 1,
            }
        }
        Ok(())
    }

    pub(super) fn skip_all(&mut self) {
        self.pos = self.tokens.len();
    }

    /// One of these words stands outside of parentheses, from here on.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        self.find(words).is_some()
    }

    /// Where the first of these words stands outside of parentheses, from here on.
    pub(super) fn find(&self, words: &[&str]) -> Option<usize> {
        let mut depth = 0usize;
        for (i, token) in self.tokens.iter().enumerate().skip(self.pos) {
            match token.kind {
                Token::Open => depth += 1,
                Token::Close => depth = depth.saturating_sub(1),
                Token::Word if depth == 0 && words.iter().any(|w| token.text.eq_ignore_ascii_case(w)) => {
                    return Some(i);
                }
                _ => {}
            }
        }
        None
    }

    /// The text from a mark up to the token before the one that comes next.
    pub(super) fn text_from(&self, mark: usize) -> &'a str {
        &self.source[self.range_from(mark)]
    }

    /// As [`Cursor::text_from`], as a range of bytes.
    pub(super) fn range_from(&self, mark: usize) -> Range<usize> {
        match (self.tokens.get(mark), self.pos.checked_sub(1).and_then(|last| self.tokens.get(last))) {
            (Some(first), Some(last)) if first.at.start <= last.at.end => first.at.start..last.at.end,
            _ => 0..0,
        }
    }
}

/// What stands in quotes of this kind, which are written twice within.
pub(super) fn unquoted(text: &str, quote: char) -> String {
    let inner = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)).unwrap_or(text);
    inner.replace(&format!("{quote}{quote}"), &quote.to_string())
}
