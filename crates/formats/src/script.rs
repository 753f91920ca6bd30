//! Bytes of a file to the text of a script.

use cofferdam_core::plan::sha256_hex;
use cofferdam_core::{Code, Place, Refusal, Script, Span};

use crate::tree::{File, Tree};

/// Shown instead of a NUL byte, which no terminal shows.
const NUL_SHOWN: &str = "\u{2400}";

/// Reads a file as a script: UTF-8, a byte order mark at its start removed, line ends left as they are.
///
/// # Errors
/// `NotUtf8` (UTF-16 is named as such) and `NulByte`, with the place of the first byte that does not fit.
pub fn script(tree: &Tree, file: &File) -> Result<Script, Box<Refusal>> {
    let path = tree.typed(&file.path);
    if let Some(encoding) = other_encoding(&file.bytes) {
        return Err(Box::new(
            Refusal::new(Code::NotUtf8, format!("{path} is not UTF-8"))
                .cause(format!("its first bytes are those of {encoding}"))
                .help(conversion(&encoding.replace(' ', ""), &path)),
        ));
    }
    let bytes = file.bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&file.bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(Box::new(not_utf8(path, bytes, error.valid_up_to()))),
    };
    if let Some(offset) = text.find('\0') {
        return Err(Box::new(nul_byte(path, text, offset)));
    }
    Ok(Script { path, text: text.into(), sha256: sha256_hex(&file.bytes), no_transaction: false })
}

/// The span of `start..end` in `text`, with line and column counted.
pub(crate) fn span(text: &str, start: usize, end: usize) -> Span {
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Span {
        start,
        end,
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// What the first bytes say, where they do not say UTF-8. The marks of UTF-32 begin with those of UTF-16.
fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        // Without a mark, SQL in UTF-16 still shows itself: every second byte of ASCII is zero.
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some("UTF-16 LE"),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some("UTF-16 BE"),
        _ => None,
    }
}

fn not_utf8(path: String, bytes: &[u8], offset: usize) -> Refusal {
    let text = String::from_utf8_lossy(bytes);
    // Up to the offset the lossy text is the same, there it has the replacement character.
    let at = span(&text, offset, offset + char::REPLACEMENT_CHARACTER.len_utf8());
    Refusal::new(Code::NotUtf8, format!("{path} is not UTF-8"))
        .cause(format!("byte {offset} is 0x{:02x}, which cannot stand there in UTF-8", bytes[offset]))
        .help(conversion("LATIN1", &path))
        .at(Place::new(path, text, at))
}

fn nul_byte(path: String, text: &str, offset: usize) -> Refusal {
    let text = text.replace('\0', NUL_SHOWN);
    let at = span(&text, offset, offset + NUL_SHOWN.len());
    Refusal::new(Code::NulByte, format!("{path} contains a NUL byte"))
        .cause(format!("byte {offset} is zero, and a script is text"))
        .help("remove the byte, or convert the file to UTF-8 if it was written in another encoding")
        .at(Place::new(path, text, at))
}

/// The command that converts a file in place.
fn conversion(from: &str, path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-/".contains(c);
    let word = |path: &str| match path.chars().all(plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    };
    let (old, new) = (word(path), word(&format!("{path}.new")));
    format!("iconv -f {from} -t UTF-8 {old} > {new} && mv {new} {old}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Script, Box<Refusal>> {
        let file = File { path: "a.sql".into(), bytes: bytes.to_vec() };
        script(&Tree { root: "db".into(), files: vec![] }, &file)
    }

    #[test]
    fn text_is_kept_but_for_one_mark_at_its_start() {
        for (bytes, text) in [
            ("", ""),
            ("\u{feff}", ""),
            ("\u{feff}\u{feff}x", "\u{feff}x"),
            ("a\r\nb\rc\n", "a\r\nb\rc\n"),
            ("SELECT 'ü\u{85}'", "SELECT 'ü\u{85}'"),
        ] {
            let script = read(bytes.as_bytes()).unwrap();
            assert_eq!(script.text, text);
            assert_eq!(script.path, "db/a.sql");
            assert_eq!(script.sha256, sha256_hex(bytes.as_bytes()), "of the raw bytes");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_place() {
        let mark = "\u{feff}".as_bytes();
        for (bytes, code, line, column, cause) in [
            (&b"ab\n\xe4x"[..], Code::NotUtf8, 2, 1, "byte 3 is 0xe4"),
            (&[mark, b"\xc3\xa4 \xff"].concat(), Code::NotUtf8, 1, 3, "byte 3 is 0xff"),
            (b"cut off \xc3", Code::NotUtf8, 1, 9, "byte 8 is 0xc3"),
            (b"a\r\nbc\0d\0", Code::NulByte, 2, 3, "byte 5 is zero"),
            (&[mark, b"\0"].concat(), Code::NulByte, 1, 1, "byte 0 is zero"),
        ] {
            let refusal = read(bytes).unwrap_err();
            let place = refusal.place.unwrap();
            assert_eq!((refusal.code, place.at.line, place.at.column), (code, line, column), "{bytes:?}");
            assert!(refusal.cause.unwrap().starts_with(cause), "{bytes:?}");
            assert!(refusal.what.starts_with("db/a.sql "));
            assert!(place.source.unwrap().get(place.at.start..place.at.end).is_some());
        }
    }

    #[test]
    fn other_encodings_are_named() {
        for (bytes, name) in [
            (&b"\xff\xfes\0"[..], "UTF-16"),
            (b"\xfe\xff\0s", "UTF-16"),
            (b"\xff\xfe\0\0s\0\0\0", "UTF-32"),
            (b"S\0E\0", "UTF-16 LE"),
            (b"\0S\0E", "UTF-16 BE"),
        ] {
            let refusal = read(bytes).unwrap_err();
            assert_eq!(refusal.code, Code::NotUtf8, "{bytes:?}");
            assert_eq!(refusal.cause.unwrap(), format!("its first bytes are those of {name}"));
        }
    }

    #[test]
    fn the_command_to_paste_is_safe_to_paste() {
        assert_eq!(
            conversion("LATIN1", "a.sql"),
            "iconv -f LATIN1 -t UTF-8 a.sql > a.sql.new && mv a.sql.new a.sql"
        );
        assert!(conversion("LATIN1", "it's; a.sql").contains(r"UTF-8 'it'\''s; a.sql' > "));
    }
}
