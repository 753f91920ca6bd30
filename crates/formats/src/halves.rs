//! One file that holds the change and the way back: each as a script with the places of the whole file.
//!
//! What does not belong to a half becomes blanks, byte for byte, and lines stay lines. So an error in a statement
//! is shown at its place in the file that the author wrote, whichever half it is in.

use std::ops::Range;

use cofferdam_core::{Code, Place, Refusal, Script};

use crate::script::span;

/// A line of a script and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Line<'t> {
    pub(crate) start: usize,
    /// One past its last byte, its end included.
    pub(crate) end: usize,
    pub(crate) text: &'t str,
}

/// The lines of a text, without blanks around them.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut end = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = end;
        end += line.len();
        Line { start, end, text: line.trim() }
    })
}

/// The script with everything outside of `part` blanked out, and what is in `ended` replaced by a `;`.
///
/// `ended` are places at which the tool ends a statement and PostgreSQL would not: comments that become a `;`.
pub(crate) fn half(script: &Script, part: Range<usize>, ended: &[Range<usize>]) -> Script {
    let mut bytes = script.text.as_bytes().to_vec();
    blank(&mut bytes, 0..part.start);
    blank(&mut bytes, part.end..script.text.len());
    for range in ended.iter().filter(|range| part.start <= range.start && range.end <= part.end) {
        blank(&mut bytes, range.clone());
        if let Some(byte) = bytes.get_mut(range.start) {
            *byte = b';';
        }
    }
    // Whole lines are blanked, or whole comments: what stays is UTF-8 as it was.
    let text = String::from_utf8(bytes).unwrap_or_default();
    Script { text: text.into(), ..script.clone() }
}

fn blank(bytes: &mut [u8], range: Range<usize>) {
    for byte in bytes.get_mut(range).unwrap_or_default() {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// There is no statement in this part: blanks and lines of comments only.
pub(crate) fn is_empty(text: &str) -> bool {
    lines(text).all(|line| line.text.is_empty() || line.text.starts_with("--"))
}

/// A file that its tool would not take, with the line that is wrong.
pub(crate) fn wrong(code: Code, script: &Script, line: Option<Line<'_>>, what: &str) -> Refusal {
    let refusal = Refusal::new(code, format!("{} {what}", script.path));
    match line {
        None => refusal,
        Some(line) => {
            let end = line.start + script.text[line.start..line.end].trim_end().len();
            refusal.at(Place::new(
                script.path.clone(),
                script.text.to_string(),
                span(&script.text, line.start, end.max(line.start)),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_leaves_every_place_as_it_was() {
        let script = Script::new("a.sql", "-- ä up\r\nSELECT 'é';\n-- down\nSELECT 2\n-- end\n");
        let down = script.text.find("-- down").unwrap();
        let end = script.text.find("-- end").unwrap();
        let up = half(&script, 0..down, &[]);
        let back = half(&script, down..script.text.len(), std::slice::from_ref(&(end..end + 6)));
        assert_eq!(up.text, "-- ä up\r\nSELECT 'é';\n       \n        \n      \n");
        assert_eq!(back.text, "        \r\n            \n-- down\nSELECT 2\n;     \n");
        assert_eq!((up.text.len(), back.text.len()), (script.text.len(), script.text.len()));
        assert_eq!(up.sha256, script.sha256, "that of the file");
        assert!(is_empty(" \n -- a\n\n") && !is_empty("-- a\nx"));
    }
}
