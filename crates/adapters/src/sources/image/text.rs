//! Others' text in our messages.

/// At most `longest` characters of it, without control characters: it comes from an image or a registry, and
/// must spoil neither a terminal nor a log.
pub(super) fn shown(bytes: &[u8], longest: usize) -> String {
    // A character has at most four bytes; more of a text of any length is not looked at.
    let looked_at = &bytes[..bytes.len().min(longest.saturating_mul(4))];
    let text = String::from_utf8_lossy(looked_at);
    let mut shown: String = text.chars().take(longest).map(|c| if is_plain(c) { c } else { '?' }).collect();
    if text.chars().count() > longest || looked_at.len() < bytes.len() {
        shown.push('…');
    }
    shown
}

/// Neither a control character nor one that turns the direction of writing or is not seen.
pub(super) fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_and_cleaned() {
        let cases: &[(&[u8], &str)] = &[
            (b"plain", "plain"),
            (b"a\x1b[31m\nb", "a?[31m?b"),
            ("a\u{202e}b".as_bytes(), "a?b"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            (b"0123456789", "01234567…"),
            ("ääääääää".as_bytes(), "ääääääää"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(shown(bytes, 8), *expected);
        }
        assert!(shown(&[b'x'; 1 << 20], 8).len() < 32);
    }
}
