//! Bytes to lines and columns.

use cofferdam_core::{Place, Script, Span};

/// Tells the line and column of byte offsets in a text. Asked in ascending order it reads the text once.
///
/// A line ends at LF, at CR LF (one end, not two) or at a lone CR. Columns count characters; a byte order mark
/// at the beginning is not counted.
pub(crate) struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
    column: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, offset: 0, line: 1, column: 1 }
    }

    /// Line and column of the byte at `offset`, which must begin a character or be the end of the text.
    pub(crate) fn at(&mut self, offset: usize) -> (usize, usize) {
        if offset < self.offset {
            *self = Self::new(self.text);
        }
        let bytes = self.text.as_bytes();
        for (i, c) in self.text[self.offset..offset].char_indices() {
            let next = bytes.get(self.offset + i + 1);
            match c {
                '\n' => (self.line, self.column) = (self.line + 1, 1),
                '\r' if next != Some(&b'\n') => (self.line, self.column) = (self.line + 1, 1),
                '\u{feff}' if self.offset + i == 0 => {}
                _ => self.column += 1,
            }
        }
        self.offset = offset;
        (self.line, self.column)
    }

    pub(crate) fn span(&mut self, start: usize, end: usize) -> Span {
        let (line, column) = self.at(start);
        Span { start, end, line, column }
    }
}

/// A place in a script, for a refusal.
pub(crate) fn place(script: &Script, start: usize, end: usize) -> Place {
    let at = Lines::new(&script.text).span(start, end);
    Place::new(script.path.clone(), script.text.clone(), at)
}

/// The line that begins at `start`: the ends of its text and of the line with its line end.
pub(crate) fn line_ends(text: &str, start: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    match bytes[start..].iter().position(|b| matches!(b, b'\n' | b'\r')) {
        None => (text.len(), text.len()),
        Some(i) => {
            let end = start + i;
            let crlf = bytes[end] == b'\r' && bytes.get(end + 1) == Some(&b'\n');
            (end, end + if crlf { 2 } else { 1 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_lf_crlf_and_lone_cr_and_columns_count_characters() {
        let text = "\u{feff}aé b\r\nc\rd\n\ne";
        let mut lines = Lines::new(text);
        let cases = [("a", 1, 1), ("b", 1, 4), ("c", 2, 1), ("d", 3, 1), ("e", 5, 1), ("b", 1, 4)];
        for (what, line, column) in cases {
            assert_eq!(lines.at(text.find(what).unwrap()), (line, column), "{what}");
        }
    }

    #[test]
    fn a_line_is_found_whatever_its_end() {
        assert_eq!(line_ends("ab\r\nc", 0), (2, 4));
        assert_eq!(line_ends("ab\rc", 0), (2, 3));
        assert_eq!(line_ends("ab\nc", 0), (2, 3));
        assert_eq!(line_ends("ab\nc", 3), (4, 4));
    }
}
