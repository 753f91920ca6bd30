//! Cuts a script into the statements that the server gets one by one.
//!
//! A statement ends at a `;` that stands outside quotes, comments, parentheses and the `BEGIN ATOMIC ... END`
//! of a routine; this is where `psql` (15 and later) ends it too. What cannot be cut for certain is refused.

use std::ops::Range;

use cofferdam_core::{Refusal, Script, Span};

use super::lex::{Lexer, Token, Unclosed};
use super::refusal;
use crate::Piece;
use crate::comment::{Comment, Stands};
use crate::place::{Lines, line_ends, place};

/// Cuts a script into statements. Empty ones are left out.
///
/// # Errors
/// `NotSplit` where something is opened and never closed, `PsqlCommand` for a backslash outside quotes,
/// `NulByte`. Each with its place.
pub fn split(script: &Script) -> Result<Vec<Piece>, Box<Refusal>> {
    Ok(scan(script)?.pieces)
}

/// A script, cut.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) comments: Vec<Comment>,
}

/// Cuts a script and keeps all of its comments.
pub(crate) fn scan(script: &Script) -> Result<Scan, Box<Refusal>> {
    if let Some(nul) = script.text.find('\0') {
        return Err(refusal::nul_byte(place(script, nul, nul + 1)));
    }
    let mut splitter = Splitter {
        script,
        text: &script.text,
        lines: Lines::new(&script.text),
        scan: Scan::default(),
        open: Statement::default(),
        ended_on: 0,
        comments_before: 0,
        standard_strings: true,
    };
    splitter.run()?;
    Ok(splitter.scan)
}

/// A statement that has begun or may begin.
#[derive(Default)]
struct Statement<'a> {
    /// From its first to its latest token; `None` before the first one.
    at: Option<Span>,
    /// Its first unquoted words.
    head: [&'a str; 4],
    /// How many of `head` are there.
    words: usize,
    /// The token before.
    previous: &'a str,
    previous_at: usize,
    /// The parentheses that are open.
    parentheses: Vec<usize>,
    /// The BEGIN ATOMIC that is open, and each CASE in it.
    blocks: Vec<Range<usize>>,
    /// It is a `COPY ... FROM stdin`.
    takes_rows: bool,
}

impl Statement<'_> {
    fn head_is(&self, words: &[&str]) -> bool {
        self.words >= words.len() && self.head.iter().zip(words).all(|(h, w)| h.eq_ignore_ascii_case(w))
    }

    fn defines_routine(&self) -> bool {
        ["function", "procedure"]
            .iter()
            .any(|kind| self.head_is(&["create", kind]) || self.head_is(&["create", "or", "replace", kind]))
    }

    fn after(&self, word: &str) -> bool {
        self.previous.eq_ignore_ascii_case(word)
    }
}

struct Splitter<'a> {
    script: &'a Script,
    text: &'a str,
    lines: Lines<'a>,
    scan: Scan,
    open: Statement<'a>,
    /// The line on which the latest statement ended.
    ended_on: usize,
    /// How many comments there were when it ended.
    comments_before: usize,
    standard_strings: bool,
}

impl<'a> Splitter<'a> {
    fn run(&mut self) -> Result<(), Box<Refusal>> {
        let bom = if self.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut lexer = Lexer::new(self.text, bom);
        loop {
            match lexer.next().map_err(|unclosed| self.unclosed(&unclosed))? {
                None => return self.finish(),
                Some((Token::Space, _)) => {}
                Some((Token::LineComment | Token::BlockComment, at)) => self.comment(at),
                Some((Token::Backslash, at)) => return Err(self.psql_command(at.start)),
                Some((Token::Semicolon, at)) if self.at_end_of_statement() => {
                    let rows = self.open.takes_rows;
                    self.end_statement(at.end);
                    if rows {
                        let next = self.rows(at.end)?;
                        lexer = Lexer::new(self.text, next);
                    }
                }
                Some((token, at)) => self.token(token, at)?,
            }
        }
    }

    fn at_end_of_statement(&self) -> bool {
        self.open.parentheses.is_empty() && self.open.blocks.is_empty()
    }

    fn token(&mut self, token: Token, at: Range<usize>) -> Result<(), Box<Refusal>> {
        let text = &self.text[at.clone()];
        match token {
            Token::Open => self.open.parentheses.push(at.start),
            Token::Close => drop(self.open.parentheses.pop()),
            Token::Word => self.word(text, &at),
            Token::Text if !self.standard_strings && text.contains('\\') => {
                return Err(refusal::old_strings(place(self.script, at.start, at.end)));
            }
            _ => {}
        }
        (self.open.previous, self.open.previous_at) = (text, at.start);
        // The line is asked for here and not at the end, so that the text is read forwards only.
        let begun = self.open.at.unwrap_or_else(|| self.lines.span(at.start, at.end));
        self.open.at = Some(Span { end: at.end, ..begun });
        Ok(())
    }

    fn word(&mut self, word: &'a str, at: &Range<usize>) {
        let open = &mut self.open;
        if open.words < open.head.len() {
            open.head[open.words] = word;
            open.words += 1;
        }
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        if !open.parentheses.is_empty() {
            return;
        }
        if (is("stdin") || is("stdout")) && open.after("from") && open.head_is(&["copy"]) {
            open.takes_rows = true;
        } else if open.blocks.is_empty() {
            if is("atomic") && open.after("begin") && open.defines_routine() {
                open.blocks.push(open.previous_at..at.end);
            }
        } else if open.after("as") || open.after(".") {
            // A name: any word may follow AS and the dot.
        } else if is("case") {
            open.blocks.push(at.clone());
        } else if is("end") {
            open.blocks.pop();
        }
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

    /// Ends the open statement, if it has a token; `end` is behind its `;`.
    fn end_statement(&mut self, end: usize) {
        let open = std::mem::take(&mut self.open);
        self.ended_on = self.lines.at(end).0;
        let Some(at) = open.at else { return };
        let text = &self.text[at.start..at.end];
        if open.head_is(&["set"]) {
            self.note_string_setting(&open, text);
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
        self.scan.pieces.push(Piece {
            text: self.script.text.part(at.start..at.end),
            at,
            copy_rows: None,
            comments,
        });
    }

    /// `SET standard_conforming_strings = off` changes what a quote is.
    fn note_string_setting(&mut self, open: &Statement<'_>, text: &str) {
        if !open.head.iter().any(|w| w.eq_ignore_ascii_case("standard_conforming_strings")) {
            return;
        }
        let value = text.rsplit(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
        let value = value.trim_matches('\'').to_ascii_lowercase();
        self.standard_strings = !["off", "false", "no", "0"].contains(&value.as_str());
    }

    /// The rows behind the `;` of a `COPY`, from the next line on. Returns where the text goes on.
    fn rows(&mut self, behind: usize) -> Result<usize, Box<Refusal>> {
        let copy = self.scan.pieces.last().map_or_else(Span::default, |p| p.at);
        let (line_end, first_row) = line_ends(self.text, behind);
        let mut lexer = Lexer::new(&self.text[..line_end], behind);
        loop {
            match lexer.next() {
                Ok(None) => break,
                Ok(Some((Token::Space, _))) => {}
                Ok(Some((Token::LineComment | Token::BlockComment, at))) => self.comment(at),
                Ok(Some((_, at))) | Err(Unclosed { at, .. }) => {
                    return Err(refusal::text_before_rows(place(self.script, at.start, at.end)));
                }
            }
        }
        // Rows end as the line before them does: else a CR inside a row would end it.
        let cr_alone = self.text[line_end..first_row] == *"\r";
        let mut row = first_row;
        while row < self.text.len() {
            let rest = &self.text[row..];
            let length = rest.find(if cr_alone { '\r' } else { '\n' }).map_or(rest.len(), |i| i + 1);
            let line = &rest[..length];
            if line.trim_end_matches(['\r', '\n']) == "\\." {
                if let Some(piece) = self.scan.pieces.last_mut() {
                    piece.copy_rows = Some(self.script.text.part(first_row..row));
                }
                self.ended_on = self.lines.at(row + 2).0;
                return Ok(row + length);
            }
            row += length;
        }
        Err(refusal::rows_without_end(place(self.script, copy.start, copy.end)))
    }

    fn finish(&mut self) -> Result<(), Box<Refusal>> {
        if let Some(&at) = self.open.parentheses.first() {
            return Err(refusal::unclosed_parenthesis(place(self.script, at, at + 1)));
        }
        if let Some(at) = self.open.blocks.first() {
            return Err(refusal::unclosed_body(place(self.script, at.start, at.end)));
        }
        let rows = self.open.takes_rows;
        self.end_statement(self.text.len());
        if rows {
            self.rows(self.text.len())?;
        }
        Ok(())
    }

    fn unclosed(&self, unclosed: &Unclosed) -> Box<Refusal> {
        let at = place(self.script, unclosed.at.start, unclosed.at.end);
        refusal::unclosed(unclosed.what, &self.text[unclosed.at.clone()], at)
    }

    fn psql_command(&self, at: usize) -> Box<Refusal> {
        let rest = &self.text[at + 1..];
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '!' | '?' | '.' | '+');
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        refusal::psql_command(name, place(self.script, at, at + 1 + name.len()))
    }
}
