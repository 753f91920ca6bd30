//! What is read from a directory of migrations, whatever tool it was written for.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// The migrations of one directory, in the order in which they are to be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// The format's id, as in `FORMATS`: `flyway`, `plain`.
    pub format: &'static str,
    /// Versioned ones in order, then repeatable ones in order.
    pub migrations: Vec<Migration>,
    /// Files that look like migrations and are none, each with the reason. Shown, never silent.
    pub skipped: Vec<(String, String)>,
}

/// One migration.
#[derive(Debug, Clone, PartialEq)]
pub struct Migration {
    /// The version as written (`1.10`, `003`), or `None` for a repeatable one.
    pub version: Option<Version>,
    /// What it is for, from the file's name.
    pub description: String,
    /// When it runs.
    pub kind: MigrationKind,
    /// The change itself.
    pub up: Script,
    /// The way back, where the author wrote one.
    pub down: Option<Script>,
    /// Queries that must return no row once `up` is applied.
    pub check: Option<Script>,
    /// The checksum of `up`, as the directory's own tool computes it.
    pub checksum: Checksum,
    /// `up` is to run outside a transaction, because a settings file beside it says so (Flyway's
    /// `executeInTransaction=false`). A directive in the script says the same and is read with its text.
    pub no_transaction: bool,
}

impl Migration {
    /// What identifies it in the history: the version as written, or `R:description` of a repeatable one.
    pub fn key(&self) -> String {
        match &self.version {
            Some(version) => version.text.clone(),
            None => format!("R:{}", self.description),
        }
    }
}

/// When a migration runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MigrationKind {
    /// Once.
    Versioned,
    /// After the versioned ones, each time its checksum changes.
    Repeatable,
    /// In place of everything below it, on a database that has nothing applied; never on another one.
    Checkpoint,
    /// In place of everything up to its own version, on a database that has nothing applied; never on another one.
    /// The history says of it that everything up to its version is there.
    Baseline,
}

/// A file with statements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Path as the user would type it.
    pub path: String,
    /// The text, without a BOM; line ends as in the file.
    pub text: Text,
    /// SHA-256 of the file's raw bytes, in hex. Of a script that is one half of a file it is that of the file.
    pub sha256: String,
    /// It is to run outside of a transaction, because the file says so in the words of its tool. Says of a way
    /// back what [`Migration::no_transaction`] says of a change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_transaction: bool,
}

impl Script {
    /// A script from a text alone, for tests and for stored scripts.
    pub fn new(path: impl Into<String>, text: impl Into<Text>) -> Self {
        let text = text.into();
        Self {
            path: path.into(),
            sha256: crate::plan::sha256_hex(text.as_bytes()),
            text,
            no_transaction: false,
        }
    }
}

/// A checksum in the terms of the tool that the directory belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "algorithm", content = "value")]
pub enum Checksum {
    /// CRC-32 over the lines without their ends, signed, as Flyway stores it.
    FlywayCrc32(i32),
    /// SHA-256 of the raw bytes, in hex.
    Sha256(String),
    /// SHA-384 of the raw bytes, in hex, as sqlx stores it.
    Sha384(String),
    /// As Atlas stores it.
    Atlas {
        /// The file's value in `atlas.sum` without `h1:`. It covers the files before it, too, so that it changes
        /// when one of them does.
        sum: String,
        /// SHA-256 of the file alone, in hex, where the file was at hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
}

impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Checksum::FlywayCrc32(crc) => write!(f, "{crc}"),
            Checksum::Sha256(hex) => write!(f, "sha256:{hex}"),
            Checksum::Sha384(hex) => write!(f, "sha384:{hex}"),
            Checksum::Atlas { sum, .. } => write!(f, "h1:{sum}"),
        }
    }
}

/// A version: how it is written, and how it is compared.
///
/// Two versions are equal when their numbers are, so `1` is `1.0` and `003` is `3`; the text is kept because
/// the history stores it.
///
/// A script of a named list has no number: its version is `LIST/SCRIPT`, as in `orders-2025/schema-changes`. Such
/// versions are ordered by their list alone, and say nothing about a directory of migrations, nor it about them.
///
/// Atlas and dbmate compare versions as texts, so that `10` comes before `9`. A directory of theirs in which that
/// makes a difference has versions of [`Version::of_text`]; those of its history are read with [`Version::like`].
#[derive(Debug, Clone)]
pub struct Version {
    /// As written, `_` turned into `.` in numbers.
    pub text: String,
    /// The numbers, without zeros at the end.
    parts: Vec<i128>,
    form: Form,
}

/// How versions are compared. Between forms any order will do, so long as it is one: nobody may conclude anything
/// from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// As numbers, part by part.
    Numbers,
    /// By the bytes of the text.
    Text,
    /// A script of a list.
    Listed,
}

impl Version {
    /// Reads `1`, `1.10`, `1_10`, `003`, `20240101120000`, `-13`, or `LIST/SCRIPT`. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((list, script)) = text.split_once('/') {
            return Self::of_list(list, script);
        }
        let text = text.replace('_', ".");
        let mut parts = text.split('.').map(|p| p.parse::<i128>().ok()).collect::<Option<Vec<_>>>()?;
        while parts.last() == Some(&0) {
            parts.pop();
        }
        Some(Self { text, parts, form: Form::Numbers })
    }

    /// That of a script of a list. `None` where one of the names is empty or has other than small letters, digits,
    /// `-` and `.` in it.
    pub fn of_list(list: &str, script: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        let name = |text: &str| !text.is_empty() && text.bytes().all(plain);
        (name(list) && name(script)).then(|| Self {
            text: format!("{list}/{script}"),
            parts: Vec::new(),
            form: Form::Listed,
        })
    }

    /// One that is compared with others of its kind by the bytes of its text.
    pub fn of_text(text: impl Into<String>) -> Self {
        Self { text: text.into(), parts: Vec::new(), form: Form::Text }
    }

    /// Another text (of a history, of a user) as a version that can be compared with this one. `None` where the
    /// text is none.
    pub fn like(&self, text: &str) -> Option<Self> {
        match self.form {
            Form::Text if text.contains('/') => Self::parse(text),
            Form::Text => Some(Self::of_text(text)),
            Form::Numbers | Form::Listed => Self::parse(text),
        }
    }

    /// A version that says how these texts are compared, by way of [`Version::like`], where no directory is at hand that
    /// would: as numbers where all of them are numbers, else as texts.
    pub fn sample<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let is_number = |text: &str| text.contains('/') || Self::parse(text).is_some();
        match texts.into_iter().all(is_number) {
            true => Self { text: "0".to_owned(), parts: Vec::new(), form: Form::Numbers },
            false => Self::of_text(""),
        }
    }

    /// It is that of a script of a list.
    pub fn is_listed(&self) -> bool {
        self.form == Form::Listed
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.form, other.form) {
            (Form::Numbers, Form::Numbers) => {}
            (one, another) if one == another => return self.text.cmp(&other.text),
            (one, another) => return one.cmp(&another),
        }
        let longest = self.parts.len().max(other.parts.len());
        let part = |v: &Self, i: usize| v.parts.get(i).copied().unwrap_or(0);
        (0..longest)
            .map(|i| part(self, i).cmp(&part(other, i)))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let v = |t: &str| Version::parse(t).unwrap();
        assert!(v("1.9") < v("1.10"));
        assert_eq!(v("1"), v("1.0"));
        assert_eq!(v("003"), v("3"));
        assert!(v("20240101120000") > v("20250103"));
        assert!(v("-13") < v("1"));
        assert_eq!(v("2_1").text, "2.1");
        assert!(Version::parse("6a").is_none() && Version::parse("1..2").is_none());
        let listed = v("orders-2025/schema-changes");
        assert!(listed.is_listed() && listed > v("99") && listed == listed.clone() && v("0") != listed);
        assert!(v("a/x") < v("a/y") && v("a/x") != v("b/x"));
        for text in ["/x", "x/", "a/b/c", "a/B", "a_b/c", "1/"] {
            assert!(Version::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn versions_of_texts_compare_as_texts() {
        let v = Version::of_text;
        assert!(v("10") < v("9") && v("B") < v("a") && v("2024010100001") < v("20240101000012"));
        assert!(v("1") != v("01") && v("1") != Version::parse("1").unwrap());
        assert!(v("x").like("V5") == Some(v("V5")) && v("x").like("a/b").unwrap().is_listed());
        assert_eq!(Version::parse("1").unwrap().like("01"), Version::parse("1"));
        assert_eq!(Version::parse("1").unwrap().like("V5"), None);
    }

    #[test]
    fn texts_are_compared_as_numbers_where_all_are() {
        let at = |texts: &[&str], text: &str| Version::sample(texts.iter().copied()).like(text);
        assert_eq!(at(&["1", "1.10", "list/one"], "1.9"), Version::parse("1.9"));
        assert_eq!(at(&["1", "V5"], "10"), Some(Version::of_text("10")));
        assert_eq!(at(&[], "x"), None);
    }

    #[test]
    fn checksums_and_scripts_are_stored_as_before() {
        for (checksum, json) in [
            (Checksum::FlywayCrc32(-7), r#"{"algorithm":"flyway-crc32","value":-7}"#),
            (Checksum::Sha256("ab".into()), r#"{"algorithm":"sha256","value":"ab"}"#),
            (Checksum::Sha384("cd".into()), r#"{"algorithm":"sha384","value":"cd"}"#),
            (
                Checksum::Atlas { sum: "x=".into(), sha256: None },
                r#"{"algorithm":"atlas","value":{"sum":"x="}}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&checksum).unwrap(), json);
            assert_eq!(serde_json::from_str::<Checksum>(json).unwrap(), checksum);
        }
        let script = Script::new("a.sql", "x");
        let json = serde_json::to_string(&script).unwrap();
        assert!(!json.contains("no_transaction"), "{json}");
        assert_eq!(serde_json::from_str::<Script>(&json).unwrap(), script);
    }
}
