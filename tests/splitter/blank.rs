//! What around a statement means nothing: white space, comments, and the semicolon that ends it. psql sends some of
//! it along, and of which kind depends on its version.

/// The length of the blanks at the start of a text.
pub(crate) fn length(text: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = &text[at..];
        at += match rest.as_bytes() {
            [b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, ..] => 1,
            [b'-', b'-', ..] => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            [b'/', b'*', ..] => comment(rest),
            _ => return at,
        };
    }
}

/// It holds nothing but blanks and semicolons.
pub(crate) fn all_blank(text: &str) -> bool {
    let mut rest = text;
    loop {
        rest = &rest[length(rest)..];
        match rest.strip_prefix(';') {
            Some(after) => rest = after,
            None => return rest.is_empty(),
        }
    }
}

/// The length of the comment at the start of a text; comments nest.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}
