//! Texts from outside, made fit to be shown.

/// The longest text of a server that is shown: more is not read by anybody, and a hostile server can send a lot.
const LONGEST: usize = 2_000;

/// A text from outside on one line, with control characters and what changes the direction of writing made visible:
/// a server must not be able to move the cursor, colour the screen or write lines of its own.
pub fn visible(text: &str) -> String {
    let mut out = String::new();
    for (shown, c) in text.trim_end().chars().enumerate() {
        if shown == LONGEST {
            out.push_str(" ...");
            break;
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push(' '),
            c if c.is_control() || is_format(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Invisible characters that move, join or turn round others.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What failed, on one line of a message.
pub(crate) fn shortened(doing: &str) -> String {
    let line = visible(&doing.split_whitespace().collect::<Vec<_>>().join(" "));
    match line.char_indices().nth(80) {
        Some((cut, _)) => format!("{} ...", &line[..cut]),
        None => line,
    }
}
