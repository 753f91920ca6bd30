//! Checksums.

use super::{Malformed, text};

text! {
    /// A SHA-256 with its name before it, as container registries write it.
    Sha256, "a checksum", pattern: "^sha256:[0-9a-f]{64}$", longest: 71,
    write: "write sha256: and 64 hexadecimal digits in small letters (`sha256sum FILE` prints them)",
    examples: ["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
}

impl Sha256 {
    /// The 64 digits.
    ///
    /// # Errors
    /// The text is not a checksum.
    pub fn parse(&self) -> Result<&str, Malformed> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        self.0
            .strip_prefix("sha256:")
            .filter(|hex| hex.len() == 64 && hex.bytes().all(is_hex))
            .ok_or_else(|| self.malformed())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::agrees;
    use super::*;

    #[test]
    fn checksums_are_read() {
        let zeros = "0".repeat(64);
        let cases: &[(String, bool)] = &[
            (format!("sha256:{zeros}"), true),
            (Sha256::FORM.examples[0].to_owned(), true),
            (format!("sha256:{zeros}0"), false),
            (format!("sha256:{}", &zeros[1..]), false),
            (format!("sha256:{}A", &zeros[1..]), false),
            (format!("sha512:{zeros}"), false),
            (format!("SHA256:{zeros}"), false),
            (zeros.clone(), false),
            ("sha256:abc123...".to_owned(), false),
            (String::new(), false),
        ];
        for (text, fine) in cases {
            assert_eq!(Sha256(text.clone()).parse().is_ok(), *fine, "{text}");
            agrees(Sha256::FORM, text, *fine);
        }
    }
}
