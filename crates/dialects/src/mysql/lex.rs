//! MySQL's and MariaDB's tokens, as far as they decide where a statement ends and what it is.
//!
//! Facts from `sql/sql_lex.cc` of both servers and `client/mysql.cc`. Without NO_BACKSLASH_ESCAPES, which no server
//! sets by default.

use std::ops::Range;

/// What a stretch of SQL text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Space,
    /// `#`, or `--` before white space, up to and not including the end of the line.
    LineComment,
    /// `/* ... */`, which does not nest, and an optimizer hint `/*+ ... */`.
    BlockComment,
    /// A key word or an unquoted identifier, which may begin with a digit; also `\N`.
    Word,
    /// `` `...` ``.
    QuotedName,
    /// `'...'` or `"..."`; the latter is a name under ANSI_QUOTES.
    Text,
    /// `@name`, `@@name`.
    Variable,
    Number,
    /// `/*!` or `/*M!` with its version: the SQL up to `*/` is for some servers only.
    VersionOpen,
    /// The `*/` that closes it.
    VersionClose,
    /// What ends a statement.
    Delimiter,
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
    /// What ends a statement; empty: nothing does.
    delimiter: &'a str,
    /// Where the comments for some versions were opened that are not closed yet.
    pub(crate) versions: Vec<usize>,
    /// No token of the statement was read yet, so that `--` needs no white space behind it.
    pub(crate) fresh: bool,
    /// In the latest text a backslash stands before a quote of the text's own kind.
    pub(crate) quote_escaped: bool,
}

fn begins_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || b >= 0x80
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// No server has this version: such a comment is one for all of them, and dumps use it for their client.
const NO_SERVER: u32 = 990_000;

impl<'a> Lexer<'a> {
    /// Begins at the byte `from` of `text`, which must not lie inside a token.
    pub(crate) fn new(text: &'a str, from: usize, delimiter: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            pos: from,
            delimiter,
            versions: Vec::new(),
            fresh: false,
            quote_escaped: false,
        }
    }

    /// The next token and its bytes, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(Token, Range<usize>)>, Unclosed> {
        let start = self.pos;
        let Some(&first) = self.bytes.get(start) else {
            return match self.versions.last() {
                Some(&at) => Err(Unclosed { what: Token::VersionOpen, at: at..at + 3 }),
                None => Ok(None),
            };
        };
        if self.at_delimiter() {
            self.pos += self.delimiter.len();
            return Ok(Some((Token::Delimiter, start..self.pos)));
        }
        let token = match first {
            b if is_space(b) => {
                self.skip(is_space);
                Token::Space
            }
            b'#' => self.line_comment(),
            b'-' if self.peek(1) == b'-' && (self.fresh || self.peek(2) <= b' ' || self.peek(2) == 0x7f) => {
                self.line_comment()
            }
            b'/' if self.peek(1) == b'*' => self.comment()?,
            b'*' if self.peek(1) == b'/' && self.versions.pop().is_some() => {
                self.pos += 2;
                Token::VersionClose
            }
            b'\'' | b'"' => self.text(first)?,
            b'`' => self.quoted_name()?,
            b'@' => self.variable()?,
            b'\\' if self.peek(1) == b'N' => {
                self.pos += 2;
                Token::Word
            }
            b'\\' => self.one(Token::Backslash),
            b if begins_word(b) => self.word(),
            b'(' => self.one(Token::Open),
            b')' => self.one(Token::Close),
            _ => self.one(Token::Other),
        };
        Ok(Some((token, start..self.pos)))
    }

    fn at_delimiter(&self) -> bool {
        !self.delimiter.is_empty() && self.bytes[self.pos..].starts_with(self.delimiter.as_bytes())
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

    /// The servers end a line at LF only.
    fn line_comment(&mut self) -> Token {
        self.skip(|b| b != b'\n');
        Token::LineComment
    }

    fn comment(&mut self) -> Result<Token, Unclosed> {
        let start = self.pos;
        let mark = match (self.peek(2), self.peek(3)) {
            (b'!', _) => 3,
            (b'M', b'!') => 4,
            _ => 0,
        };
        if mark > 0 {
            let version = version(&self.text[start + mark..]);
            if version.is_none_or(|version| version < NO_SERVER) {
                self.versions.push(start);
                self.pos += mark + version.map_or(0, |_| digits(&self.text[start + mark..]));
                return Ok(Token::VersionOpen);
            }
        }
        match self.text[start + 2..].find("*/") {
            Some(length) => {
                self.pos = start + 2 + length + 2;
                Ok(Token::BlockComment)
            }
            None => Err(Unclosed { what: Token::BlockComment, at: start..start + 2 }),
        }
    }

    fn text(&mut self, quote: u8) -> Result<Token, Unclosed> {
        let start = self.pos;
        self.quote_escaped = false;
        self.pos += 1;
        loop {
            match self.bytes.get(self.pos) {
                None => return Err(Unclosed { what: Token::Text, at: start..start + 1 }),
                Some(b'\\') => {
                    self.quote_escaped |= self.peek(1) == quote;
                    self.pos += 2;
                }
                Some(&b) if b == quote && self.peek(1) == quote => self.pos += 2,
                Some(&b) if b == quote => {
                    self.pos += 1;
                    return Ok(Token::Text);
                }
                Some(_) => self.pos += 1,
            }
        }
    }

    /// A backslash means nothing in it.
    fn quoted_name(&mut self) -> Result<Token, Unclosed> {
        let start = self.pos;
        self.pos += 1;
        loop {
            match self.bytes.get(self.pos) {
                None => return Err(Unclosed { what: Token::QuotedName, at: start..start + 1 }),
                Some(b'`') if self.peek(1) == b'`' => self.pos += 2,
                Some(b'`') => {
                    self.pos += 1;
                    return Ok(Token::QuotedName);
                }
                Some(_) => self.pos += 1,
            }
        }
    }

    /// `@a.b`, `@@global.x`, `` @`a b` ``. The host of an account is one, too: `'u'@'%'`.
    fn variable(&mut self) -> Result<Token, Unclosed> {
        self.pos += 1;
        if self.peek(0) == b'@' && !self.at_delimiter() {
            self.pos += 1;
        }
        match self.peek(0) {
            quote @ (b'\'' | b'"') => {
                self.text(quote)?;
            }
            b'`' => {
                self.quoted_name()?;
            }
            _ => {
                while (begins_word(self.peek(0)) || self.peek(0) == b'.') && !self.at_delimiter() {
                    self.pos += 1;
                }
            }
        }
        Ok(Token::Variable)
    }

    /// A word, or a number where it is one as a whole: `1e5` and `0xFF`, but not `2fa`.
    fn word(&mut self) -> Token {
        let start = self.pos;
        while begins_word(self.peek(0))
            && self.pos < self.bytes.len()
            && !(self.pos > start && self.at_delimiter())
        {
            self.pos += 1;
        }
        if is_number(&self.bytes[start..self.pos]) { Token::Number } else { Token::Word }
    }
}

fn is_number(word: &[u8]) -> bool {
    let all = |part: &[u8], fits: fn(&u8) -> bool| !part.is_empty() && part.iter().all(fits);
    match word {
        [b'0', b'x', rest @ ..] => all(rest, u8::is_ascii_hexdigit),
        [b'0', b'b', rest @ ..] => all(rest, |b| matches!(b, b'0' | b'1')),
        _ => {
            let mut parts = word.splitn(2, |b| matches!(b, b'e' | b'E'));
            parts.next().is_some_and(|whole| all(whole, u8::is_ascii_digit))
                && parts.next().is_none_or(|power| all(power, u8::is_ascii_digit))
        }
    }
}

/// How many digits of a version a text begins with: five or six. Fewer are none.
fn digits(text: &str) -> usize {
    let count = text.bytes().take(6).take_while(u8::is_ascii_digit).count();
    if count < 5 { 0 } else { count }
}

/// The version behind the mark of a comment: 80013 in `/*!80013`.
pub(super) fn version(text: &str) -> Option<u32> {
    text[..digits(text)].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of a text but for white space, each as `Kind:text`.
    fn tokens(text: &str, delimiter: &str) -> String {
        let mut lexer = Lexer::new(text, 0, delimiter);
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
            (r"'a\'b' 'c''d' 'e\\'", r"Text:'a\'b' Text:'c''d' Text:'e\\'"),
            (r#""it's" "a""b" "\"" "#, r#"Text:"it's" Text:"a""b" Text:"\"""#),
            (r"`a``b` `c\` d", r"QuotedName:`a``b` QuotedName:`c\` Word:d"),
            ("a--b", "Word:a Other:- Other:- Word:b"),
            ("a-- b\nc --\td\n--", "Word:a LineComment:-- b Word:c LineComment:--\td LineComment:--"),
            ("a#b\rc\nd", "Word:a LineComment:#b\rc Word:d"),
            ("/* /* a */ b", "BlockComment:/* /* a */ Word:b"),
            ("/*/ */ a /**/", "BlockComment:/*/ */ Word:a BlockComment:/**/"),
            ("/*+ hint */", "BlockComment:/*+ hint */"),
            ("/*!40101 a */", "VersionOpen:/*!40101 Word:a VersionClose:*/"),
            ("/*!080016 a */b", "VersionOpen:/*!080016 Word:a VersionClose:*/ Word:b"),
            ("/*!4 a*/", "VersionOpen:/*! Number:4 Word:a VersionClose:*/"),
            ("/*M!100100 '*/' */", "VersionOpen:/*M!100100 Text:'*/' VersionClose:*/"),
            (r"/*M!999999\- sandbox */ a", r"BlockComment:/*M!999999\- sandbox */ Word:a"),
            (
                "/*! a /* b */ c */ d",
                "VersionOpen:/*! Word:a BlockComment:/* b */ Word:c VersionClose:*/ Word:d",
            ),
            ("2fa 12 1e5 0xFF 0b01 é$1", "Word:2fa Number:12 Number:1e5 Number:0xFF Number:0b01 Word:é$1"),
            (
                "@a.b @@global.x @`a b` 'u'@'%'",
                "Variable:@a.b Variable:@@global.x Variable:@`a b` Text:'u' Variable:@'%'",
            ),
            (r"\N \g", r"Word:\N Backslash:\ Word:g"),
            ("a*/b", "Word:a Other:* Other:/ Word:b"),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens(text, ""), expected, "{text}");
        }
    }

    #[test]
    fn a_delimiter_ends_a_word_and_stands_in_no_quotes_and_no_comment() {
        let cases = [
            ("END$$ a", "$$", "Word:END Delimiter:$$ Word:a"),
            ("a//b '//' /*//*/", "//", "Word:a Delimiter:// Word:b Text:'//' BlockComment:/*//*/"),
            ("a;b;;", ";;", "Word:a Other:; Word:b Delimiter:;;"),
            ("category", "go", "Word:cate Delimiter:go Word:ry"),
            ("Go", "go", "Word:Go"),
        ];
        for (text, delimiter, expected) in cases {
            assert_eq!(tokens(text, delimiter), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_closed_is_said_where_it_was_opened() {
        for (text, what, at) in [
            ("x 'a''", Token::Text, 2..3),
            (r"x 'a\'", Token::Text, 2..3),
            (r"'a\", Token::Text, 0..1),
            ("`a", Token::QuotedName, 0..1),
            ("/* a", Token::BlockComment, 0..2),
            ("a /*!40101 b", Token::VersionOpen, 2..5),
        ] {
            let mut lexer = Lexer::new(text, 0, ";");
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
