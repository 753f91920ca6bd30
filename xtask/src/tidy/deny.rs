//! What `deny.toml` says, as far as these checks need it: cargo-deny is not on every machine.

use std::fs;

use crate::machine::root;

/// The file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Deny {
    /// Crates that must not be in the lock file.
    pub(super) banned: Vec<String>,
    /// Crates of which there must be one version.
    pub(super) one_version: Vec<String>,
    /// Licences that are fine.
    pub(super) licences: Vec<String>,
}

impl Deny {
    /// Reads it.
    pub(super) fn read() -> Result<Self, String> {
        let text = fs::read_to_string(root().join("deny.toml")).map_err(|e| format!("deny.toml: {e}"))?;
        let deny = Self::parse(&text);
        if deny.banned.is_empty() || deny.licences.is_empty() {
            return Err("deny.toml: found no bans or no licences; is an entry still one line?".into());
        }
        Ok(deny)
    }

    /// Our file has one entry a line: `{ crate = "x", ... },` in `bans`, `"x",` in `licenses`.
    fn parse(text: &str) -> Self {
        let mut deny = Self::default();
        let (mut section, mut list) = ("", "");
        for line in text.lines().map(str::trim) {
            if let Some(name) =
                line.strip_prefix('[').and_then(|l| l.strip_suffix(']')).filter(|n| !n.is_empty())
            {
                section = name;
            } else if let Some((key, value)) = line.split_once(" = [") {
                list = if value.contains(']') { "" } else { key };
            } else if line == "]" {
                list = "";
            } else if (section, list) == ("bans", "deny") {
                let Some((_, rest)) = line.split_once("crate = ") else { continue };
                let Some(name) = quoted(rest) else { continue };
                let some_version = rest.contains("deny-multiple-versions = true");
                if some_version { &mut deny.one_version } else { &mut deny.banned }.push(name);
            } else if (section, list) == ("licenses", "allow") && line.starts_with('"') {
                deny.licences.extend(quoted(line));
            }
        }
        deny
    }
}

/// What stands between the first two quotes.
fn quoted(text: &str) -> Option<String> {
    text.split('"').nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_and_licences_are_read() {
        let text = "[bans]\nallow = [\"z\"]\ndeny = [\n    { crate = \"a\", reason = \"x\" },\n    # note\n    \
                    { crate = \"b\", deny-multiple-versions = true, reason = \"y\" },\n]\n[licenses]\nallow = \
                    [\n    # \"no\"\n    \"MIT\",\n]\n[sources]\nallow = [\n    \"c\",\n]\n";
        let expected =
            Deny { banned: vec!["a".into()], one_version: vec!["b".into()], licences: vec!["MIT".into()] };
        assert_eq!(Deny::parse(text), expected);
    }

    #[test]
    fn ours_is_read() {
        let deny = Deny::read().unwrap();
        assert!(deny.banned.contains(&"openssl-sys".to_owned()), "{deny:?}");
        assert!(deny.one_version.contains(&"rustls".to_owned()), "{deny:?}");
        assert!(deny.licences.contains(&"MIT".to_owned()), "{deny:?}");
    }
}
