//! Cuts a script into the statements that the server gets one by one.
//!
//! A statement ends at the delimiter, which is `;` until a line `DELIMITER x` says otherwise, outside of quotes and
//! comments: this is where the programs mysql and mariadb end it, too. What cannot be cut for certain is refused. The
//! session must have neither NO_BACKSLASH_ESCAPES nor ANSI_QUOTES in its `sql_mode` when it gets the statements.

use std::ops::Range;

use cofferdam_core::{Refusal, Script, Span};

use super::lex::{Lexer, Token, Unclosed};
use super::{client, refusal};
use crate::Piece;
use crate::comment::{Comment, Stands};
use crate::place::{Lines, place};

/// Cuts a script into statements. Empty ones are left out.
///
/// # Errors
/// `NotSplit` where something is opened and never closed, `ClientCommand`, `BadDelimiter`, `BodyCut`,
/// `ModeDependent`, `VersionDependent`, `NulByte`. Each with its place.
pub fn split(script: &Script) -> Result<Vec<Piece>, Box<Refusal>> {
    Ok(scan(script)?.pieces)
}

/// A script, cut.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) pieces: Vec<Piece>,
    pub(super) comments: Vec<Comment>,
}

/// Cuts a script and keeps all of its comments.
pub(super) fn scan(script: &Script) -> Result<Scan, Box<Refusal>> {
    if let Some(nul) = script.text.find('\0') {
        return Err(refusal::nul_byte(place(script, nul, nul + 1)));
    }
    let mut splitter = Splitter {
        script,
        text: &script.text,
        lines: Lines::new(&script.text),
        scan: Scan::default(),
        open: Statement::default(),
        delimiter: ";",
        ended_on: 0,
        comments_before: 0,
        backslash_plain: false,
        ansi_quotes: false,
    };
    splitter.run()?;
    Ok(splitter.scan)
}

/// A statement that has begun or may begin.
#[derive(Default)]
struct Statement<'a> {
    /// From its first to its latest token; `None` before the first one.
    at: Option<Span>,
    /// Its first unquoted word.
    head: Option<&'a str>,
    /// What it defines: the word behind CREATE and its options.
    defines: Option<&'a str>,
    /// The token before.
    previous: &'a str,
    /// The BEGIN and CASE that are open, of a routine.
    blocks: usize,
    /// It has a BEGIN.
    begins: bool,
}

/// What CREATE makes: the first of these words is it.
const KINDS: &[&str] = &[
    "procedure",
    "function",
    "trigger",
    "event",
    "package",
    "table",
    "index",
    "view",
    "database",
    "schema",
    "user",
    "role",
    "server",
    "tablespace",
    "logfile",
    "sequence",
    "spatial",
];

/// Those of them with a body.
const ROUTINES: &[&str] = &["procedure", "function", "trigger", "event", "package"];

impl<'a> Statement<'a> {
    /// Follows the words of a routine: which of its blocks are open.
    fn word(&mut self, word: &'a str) {
        let is = |one: &str| word.eq_ignore_ascii_case(one);
        if self.head.is_none() {
            self.head = Some(word);
            return;
        }
        if !self.head.is_some_and(|head| head.eq_ignore_ascii_case("create")) {
            return;
        }
        match self.defines {
            None => self.defines = KINDS.iter().any(|kind| is(kind)).then_some(word),
            Some(kind) if ROUTINES.iter().any(|routine| kind.eq_ignore_ascii_case(routine)) => {
                let after_end = self.previous.eq_ignore_ascii_case("end");
                if self.previous == "." {
                    // A name: any word may follow the dot.
                } else if is("begin") {
                    (self.begins, self.blocks) = (true, self.blocks + 1);
                } else if is("case") && !after_end
                    || after_end && ["if", "loop", "while", "repeat", "for"].iter().any(|w| is(w))
                {
                    // The END before was that of no BEGIN.
                    self.blocks += 1;
                } else if is("end") {
                    self.blocks = self.blocks.saturating_sub(1);
                }
            }
            Some(_) => {}
        }
    }
}

struct Splitter<'a> {
    script: &'a Script,
    text: &'a str,
    lines: Lines<'a>,
    scan: Scan,
    open: Statement<'a>,
    delimiter: &'a str,
    /// The line on which the latest statement ended.
    ended_on: usize,
    /// How many comments there were when it ended.
    comments_before: usize,
    /// The script set NO_BACKSLASH_ESCAPES.
    backslash_plain: bool,
    /// The script set ANSI_QUOTES.
    ansi_quotes: bool,
}

impl<'a> Splitter<'a> {
    fn run(&mut self) -> Result<(), Box<Refusal>> {
        let bom = if self.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut lexer = Lexer::new(self.text, bom, self.delimiter);
        loop {
            lexer.fresh = self.open.at.is_none();
            match lexer.next().map_err(|unclosed| self.unclosed(&unclosed))? {
                None => {
                    self.end_statement(self.text.len())?;
                    return Ok(());
                }
                Some((Token::Space, _)) => {}
                Some((token @ (Token::LineComment | Token::BlockComment), at)) => {
                    // A server that skips the comment around it ends it here.
                    if token == Token::LineComment && !lexer.versions.is_empty() {
                        self.ends_within("a line comment stands in a comment for some versions", &at)?;
                    }
                    self.comment(at);
                }
                Some((Token::Backslash, at)) => return Err(self.short_command(at.start)),
                Some((Token::Delimiter, at)) => {
                    if !lexer.versions.is_empty() {
                        let what = "the delimiter stands in a comment for some versions";
                        return Err(refusal::version_dependent(what, self.place(&at)));
                    }
                    self.end_statement(at.end)?;
                }
                Some((Token::Word, at)) if self.open.at.is_none() && self.is_delimiter_command(&at) => {
                    let next = self.delimiter_command(&at, bom)?;
                    lexer = Lexer::new(self.text, next, self.delimiter);
                }
                Some((token, at)) => {
                    if token == Token::Text {
                        if !lexer.versions.is_empty() {
                            self.ends_within("a text in a comment for some versions holds */", &at)?;
                        }
                        self.text_is_certain(lexer.quote_escaped, &at)?;
                    }
                    self.token(token, at)?;
                }
            }
        }
    }

    fn place(&self, at: &Range<usize>) -> cofferdam_core::Place {
        place(self.script, at.start, at.end)
    }

    /// Refuses what hides the end of the comment around it from some servers.
    fn ends_within(&self, what: &str, at: &Range<usize>) -> Result<(), Box<Refusal>> {
        if self.text[at.clone()].contains("*/") {
            return Err(refusal::version_dependent(what, self.place(at)));
        }
        Ok(())
    }

    fn text_is_certain(&self, quote_escaped: bool, at: &Range<usize>) -> Result<(), Box<Refusal>> {
        if quote_escaped && self.backslash_plain {
            return Err(refusal::mode_dependent("NO_BACKSLASH_ESCAPES", self.place(at)));
        }
        if quote_escaped && self.ansi_quotes && self.text[at.clone()].starts_with('"') {
            return Err(refusal::mode_dependent("ANSI_QUOTES", self.place(at)));
        }
        Ok(())
    }

    fn token(&mut self, token: Token, at: Range<usize>) -> Result<(), Box<Refusal>> {
        let text = &self.text[at.clone()];
        let first = self.open.at.is_none();
        if first && (token == Token::Word && client::is_command(text) || text == "?") {
            return Err(refusal::client_command(text, self.place(&at)));
        }
        if first && text.eq_ignore_ascii_case("use") {
            // Without a delimiter on its line the program takes the line for its own command.
            let rest = &self.text[at.end..];
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            if !line.contains(self.delimiter) && !after.trim_ascii().is_empty() {
                return Err(refusal::client_command(text, self.place(&at)));
            }
        }
        if token == Token::Word {
            self.open.word(text);
        }
        self.open.previous = text;
        // The line is asked for here and not at the end, so that the text is read forwards only.
        let begun = self.open.at.unwrap_or_else(|| self.lines.span(at.start, at.end));
        self.open.at = Some(Span { end: at.end, ..begun });
        Ok(())
    }

    fn comment(&mut self, at: Range<usize>) {
        let (line, _) = self.lines.at(at.start);
        let (last_line, _) = self.lines.at(at.end);
        let stands = if self.open.at.is_some() {
            Stands::Inside
        } else if line == self.ended_on {
            Stands::Behind
        } else {
            Stands::Before(self.scan.pieces.len())
        };
        self.scan.comments.push(Comment { at, line, last_line, stands });
    }

    /// Ends the open statement, if it has a token; `end` is behind its delimiter.
    fn end_statement(&mut self, end: usize) -> Result<(), Box<Refusal>> {
        let open = std::mem::take(&mut self.open);
        self.ended_on = self.lines.at(end).0;
        let Some(at) = open.at else { return Ok(()) };
        if open.begins && open.blocks > 0 && self.delimiter == ";" {
            return Err(refusal::body_cut(place(self.script, at.start, at.end)));
        }
        if open.head.is_some_and(|head| head.eq_ignore_ascii_case("set")) {
            self.note_mode(&self.text[at.start..at.end]);
        }
        let index = self.scan.pieces.len();
        let mut comments = Vec::new();
        for comment in &mut self.scan.comments[self.comments_before..] {
            // `a; /* about b */ b;` on one line
            if comment.stands == Stands::Behind && comment.last_line == at.line {
                comment.stands = Stands::Before(index);
            }
            if comment.stands == Stands::Before(index) {
                comments.push((comment.line, self.text[comment.at.clone()].trim_end().to_owned()));
            }
        }
        self.comments_before = self.scan.comments.len();
        let text = self.script.text.part(at.start..at.end);
        self.scan.pieces.push(Piece { text, at, copy_rows: None, comments });
        Ok(())
    }

    /// `SET sql_mode` changes what a quote is. What a variable holds is not known, and taken for the usual.
    fn note_mode(&mut self, text: &str) {
        let text = text.to_ascii_lowercase();
        if text.contains("sql_mode") {
            self.backslash_plain = text.contains("no_backslash_escapes");
            // ANSI and the modes of other servers' names hold it.
            let ansi = ["ansi", "oracle", "mssql", "postgresql", "db2", "maxdb"];
            self.ansi_quotes = ansi.iter().any(|mode| text.contains(mode));
        }
    }

    fn is_delimiter_command(&self, at: &Range<usize>) -> bool {
        let ends = self.text[at.end..].chars().next().is_none_or(char::is_whitespace);
        ends && self.text[at.clone()].eq_ignore_ascii_case("delimiter")
    }

    /// Takes the new delimiter. Returns where the text goes on.
    fn delimiter_command(&mut self, at: &Range<usize>, bom: usize) -> Result<usize, Box<Refusal>> {
        let line = self.text[..at.start].rfind('\n').map_or(bom, |newline| newline + 1);
        if !self.text[line..at.start].trim_ascii().is_empty() {
            let what = "DELIMITER does not stand at the beginning of its line";
            return Err(refusal::bad_delimiter(what, self.place(at)));
        }
        let end = self.text[at.end..].find('\n').map_or(self.text.len(), |length| at.end + length);
        self.delimiter = client::delimiter(&self.text[at.end..end])
            .map_err(|what| refusal::bad_delimiter(what, place(self.script, at.start, end)))?;
        Ok(end)
    }

    fn unclosed(&self, unclosed: &Unclosed) -> Box<Refusal> {
        refusal::unclosed(unclosed.what, &self.text[unclosed.at.clone()], self.place(&unclosed.at))
    }

    /// A backslash outside of quotes, with the character behind it.
    fn short_command(&self, at: usize) -> Box<Refusal> {
        let length = self.text[at + 1..].chars().next().map_or(0, char::len_utf8);
        let end = at + 1 + length;
        refusal::client_command(&self.text[at..end], place(self.script, at, end))
    }
}
