//! Values that must not be shown, and texts that may have one in them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The longest text of a failure, in characters.
const LONGEST: usize = 300;

/// A value that is not shown, whatever prints what holds it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Of a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value. What is made of it must not be printed.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A text of somebody else's as one line of bounded length, without these secrets in any writing that they are sent in.
pub(super) fn scrubbed(text: &str, secrets: &[&Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().map(|secret| secret.reveal()).filter(|secret| !secret.is_empty()) {
        let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let url = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>();
        for writing in [
            secret.to_owned(),
            STANDARD.encode(secret),
            STANDARD_NO_PAD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
            percent,
            url,
        ] {
            text = text.replace(&writing, "***");
        }
    }
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST { line } else { line.chars().take(LONGEST).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_in_no_writing() {
        let secret = Secret::new("can ary/1");
        assert_eq!(format!("{secret:?}"), "***");
        let text = format!("no can ary/1 {} can+ary%2F1\r\n\u{1b}[2J", STANDARD.encode("can ary/1"));
        assert_eq!(scrubbed(&text, &[&secret, &Secret::default()]), "no *** *** *** [2J");
        assert_eq!(scrubbed(&"x".repeat(9_000), &[]).chars().count(), LONGEST + 1);
    }
}
