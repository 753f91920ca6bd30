//! PostgreSQL's tokens, as far as they decide where a statement ends.
//!
//! Facts from `src/backend/parser/scan.l` and `src/fe_utils/psqlscan.l`, with `standard_conforming_strings` on
//! (the default since 9.1).

use std::ops::Range;

/// What a stretch of SQL text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Space,
    /// `--` up to, not including, the end of the line.
    LineComment,
    /// `/* ... */`, nested.
    BlockComment,
    /// A key word or an unquoted identifier.
    Word,
    /// `"..."` or `U&"..."`.
    QuotedName,
    /// `'...'` in which a backslash is an ordinary character.
    Text,
    /// `E'...'`.
    EscapedText,
    /// `$tag$...$tag$`.
    DollarText,
    /// A number or a parameter such as `$1`.
    Number,
    Semicolon,
    Open,
    Close,
    Backslash,
    /// One character of an operator or other punctuation.
    Other,
}

/// Something that is opened and never closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unclosed {
    pub(crate) what: Token,
    /// Its opening mark.
    pub(crate) at: Range<usize>,
}

/// The tokens of a text, one after the other, without a gap between them.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
}

fn begins_word(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

fn continues_word(b: u8) -> bool {
    begins_word(b) || b.is_ascii_digit() || b == b'$'
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

impl<'a> Lexer<'a> {
    /// Begins at the byte `from` of `text`, which must not lie inside a token.
    pub(crate) fn new(text: &'a str, from: usize) -> Self {
        Self { text, bytes: text.as_bytes(), pos: from }
    }

    /// The next token and its bytes, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(Token, Range<usize>)>, Unclosed> {
        let start = self.pos;
        let Some(&first) = self.bytes.get(start) else { return Ok(None) };
        let token = match first {
            b if is_space(b) => {
                self.skip(is_space);
                Token::Space
            }
            b'-' if self.peek(1) == b'-' => {
                self.skip(|b| b != b'\n' && b != b'\r');
                Token::LineComment
            }
            b'/' if self.peek(1) == b'*' => self.block_comment()?,
            b'\'' => self.text(Token::Text, start)?,
            b'"' => self.quoted_name(start)?,
            b'E' | b'e' if self.peek(1) == b'\'' => {
                self.pos += 1;
                self.text(Token::EscapedText, start)?
            }
            b'U' | b'u' if self.peek(1) == b'&' && matches!(self.peek(2), b'\'' | b'"') => {
                self.pos += 2;
                if self.peek(0) == b'"' { self.quoted_name(start)? } else { self.text(Token::Text, start)? }
            }
            b if begins_word(b) => {
                self.skip(continues_word);
                Token::Word
            }
            b'0'..=b'9' => self.number(),
            b'$' => self.dollar()?,
            b';' => self.one(Token::Semicolon),
            b'(' => self.one(Token::Open),
            b')' => self.one(Token::Close),
            b'\\' => self.one(Token::Backslash),
            _ => self.one(Token::Other),
        };
        Ok(Some((token, start..self.pos)))
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.pos + ahead).copied().unwrap_or(0)
    }

    fn skip(&mut self, while_true: impl Fn(u8) -> bool) {
        while self.bytes.get(self.pos).is_some_and(|&b| while_true(b)) {
            self.pos += 1;
        }
    }

    fn one(&mut self, token: Token) -> Token {
        self.pos += 1;
        token
    }

    fn block_comment(&mut self) -> Result<Token, Unclosed> {
        let start = self.pos;
        let mut depth = 0usize;
        while self.pos < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.pos += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.pos += 2;
                    if depth == 0 {
                        return Ok(Token::BlockComment);
                    }
                }
                _ => self.pos += 1,
            }
        }
        Err(Unclosed { what: Token::BlockComment, at: start..start + 2 })
    }

    /// A single-quoted text whose quote is at the current byte; `start` is that of its prefix.
    fn text(&mut self, kind: Token, mut start: usize) -> Result<Token, Unclosed> {
        loop {
            let opened = self.pos;
            self.pos += 1;
            loop {
                match self.bytes.get(self.pos) {
                    None => return Err(Unclosed { what: kind, at: start..opened + 1 }),
                    Some(b'\\') if kind == Token::EscapedText => self.pos += 2,
                    Some(b'\'') if self.peek(1) == b'\'' => self.pos += 2,
                    Some(b'\'') => break,
                    Some(_) => self.pos += 1,
                }
            }
            self.pos += 1;
            // A text goes on after white space with a line end in it, and keeps its kind: the second half of
            // an E'' text has escapes too. For the other kinds it makes no difference.
            match (kind, self.continued()) {
                (Token::EscapedText, Some(quote)) => (self.pos, start) = (quote, quote),
                _ => return Ok(kind),
            }
        }
    }

    /// The quote with which the text that just ended goes on, if it does.
    fn continued(&self) -> Option<usize> {
        let mut look = Lexer { text: self.text, bytes: self.bytes, pos: self.pos };
        let mut line_end = false;
        loop {
            match look.peek(0) {
                b'\n' | b'\r' => line_end = true,
                b if is_space(b) => {}
                b'-' if look.peek(1) == b'-' => {
                    look.skip(|b| b != b'\n' && b != b'\r');
                    continue;
                }
                b'\'' if line_end => return Some(look.pos),
                _ => return None,
            }
            look.pos += 1;
        }
    }

    fn quoted_name(&mut self, start: usize) -> Result<Token, Unclosed> {
        let opened = self.pos;
        self.pos += 1;
        loop {
            match self.bytes.get(self.pos) {
                None => return Err(Unclosed { what: Token::QuotedName, at: start..opened + 1 }),
                Some(b'"') if self.peek(1) == b'"' => self.pos += 2,
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(Token::QuotedName);
                }
                Some(_) => self.pos += 1,
            }
        }
    }

    /// Only as much as is needed to know whether what follows is a new token: `1$$x$$` is a number and a text.
    fn number(&mut self) -> Token {
        if self.peek(0) == b'0' && matches!(self.peek(1) | 0x20, b'x' | b'o' | b'b') {
            self.pos += 2;
            self.skip(|b| b.is_ascii_hexdigit() || b == b'_');
            return Token::Number;
        }
        loop {
            self.skip(|b| b.is_ascii_digit());
            if self.peek(0) == b'_' && self.peek(1).is_ascii_digit() {
                self.pos += 1;
            } else {
                return Token::Number;
            }
        }
    }

    fn dollar(&mut self) -> Result<Token, Unclosed> {
        let start = self.pos;
        self.pos += 1;
        if self.peek(0).is_ascii_digit() {
            self.skip(|b| b.is_ascii_digit());
            return Ok(Token::Number);
        }
        if begins_word(self.peek(0)) {
            self.skip(|b| continues_word(b) && b != b'$');
        }
        if self.peek(0) != b'$' {
            self.pos = start + 1;
            return Ok(Token::Other);
        }
        self.pos += 1;
        let mark = start..self.pos;
        match self.text[self.pos..].find(&self.text[mark.clone()]) {
            Some(i) => {
                self.pos += i + mark.len();
                Ok(Token::DollarText)
            }
            None => {
                self.pos = self.bytes.len();
                Err(Unclosed { what: Token::DollarText, at: mark })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of a text but for white space, each as `Kind:text`.
    fn tokens(text: &str) -> String {
        let mut lexer = Lexer::new(text, 0);
        let mut all = Vec::new();
        while let Some((token, at)) = lexer.next().unwrap() {
            if token != Token::Space {
                all.push(format!("{token:?}:{}", &text[at]));
            }
        }
        all.join(" ")
    }

    #[test]
    fn tokens_are_those_of_the_server() {
        let cases = [
            ("a$b$c", "Word:a$b$c"),
            ("1$$x$$", "Number:1 DollarText:$$x$$"),
            ("$1$$x$$", "Number:$1 DollarText:$$x$$"),
            ("1_000$$x$$ 0xFF$$y$$", "Number:1_000 DollarText:$$x$$ Number:0xFF DollarText:$$y$$"),
            ("$é1$ $é$ $é1$", "DollarText:$é1$ $é$ $é1$"),
            ("$a-$b$ $b$", "Other:$ Word:a Other:- DollarText:$b$ $b$"),
            (r"e'\'' 'a\'", r"EscapedText:e'\'' Text:'a\'"),
            (r"typeE'a\'", r"Word:typeE Text:'a\'"),
            (r"u&'\' U&'''' x&''", r"Text:u&'\' Text:U&'''' Word:x Other:& Text:''"),
            ("U&\"a\"\"b\" \"c\"", "QuotedName:U&\"a\"\"b\" QuotedName:\"c\""),
            ("a/*b/*c*/d*/e --f", "Word:a BlockComment:/*b/*c*/d*/ Word:e LineComment:--f"),
            ("+--x\r-", "Other:+ LineComment:--x Other:-"),
            ("/*/ */", "BlockComment:/*/ */"),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens(text), expected, "{text}");
        }
    }

    #[test]
    fn an_escaped_text_goes_on_after_a_line_end() {
        assert_eq!(tokens("E'a' -- c\n '\\';' x"), "EscapedText:E'a' -- c\n '\\';' Word:x");
        assert_eq!(tokens("E'a' '\\'"), "EscapedText:E'a' Text:'\\'");
    }

    #[test]
    fn what_is_not_closed_is_said_where_it_was_opened() {
        for (text, what, at) in [
            ("x 'a''", Token::Text, 2..3),
            (r"x E'a\'", Token::EscapedText, 2..4),
            (r"E'a\", Token::EscapedText, 0..2),
            ("\"a", Token::QuotedName, 0..1),
            ("$t$ $T$", Token::DollarText, 0..3),
            ("/* /* */", Token::BlockComment, 0..2),
        ] {
            let mut lexer = Lexer::new(text, 0);
            let error = loop {
                match lexer.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{text} is closed"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error, Unclosed { what, at }, "{text}");
        }
    }
}
