//! Flyway's checksum.

/// CRC-32 (IEEE) over the UTF-8 bytes of all lines without their ends, signed.
///
/// `text` is without a byte order mark. Line ends are `\n`, `\r\n` and a lone `\r`, so leaving out those two
/// bytes wherever they stand is the same; U+0085 and U+2028 count as text.
pub fn crc32(text: &str) -> i32 {
    let mut hasher = crc32fast::Hasher::new();
    for line in text.split(['\n', '\r']) {
        hasher.update(line.as_bytes());
    }
    hasher.finalize().cast_signed()
}
