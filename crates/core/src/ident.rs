//! Identifiers and literals on their way into SQL text.
//!
//! [`QuotedIdent`] is the only way of an identifier into SQL, [`QuotedLiteral`] the only way of a value where a
//! bind parameter cannot stand (DDL takes none). Both are tested against a real server.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An identifier, quoted for SQL. Its `Display` is the quoted form: `"Order ""x"""`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuotedIdent(String);

/// Why a text cannot be an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentError {
    /// The empty identifier is no identifier in any engine.
    #[error("an identifier is empty")]
    Empty,
    /// PostgreSQL and MySQL both end a text at NUL, so what follows it would be lost.
    #[error("an identifier contains a NUL byte")]
    Nul,
    /// MySQL and MariaDB count characters, and refuse a name that is longer.
    #[error("the identifier {0:?} is longer than {1} characters")]
    TooManyCharacters(String, usize),
    /// PostgreSQL cuts names silently at 63 bytes; a cut name is a different name.
    #[error("the identifier {0:?} is longer than {1} bytes and the server would cut it")]
    TooLong(String, usize),
}

impl QuotedIdent {
    /// The longest identifier that PostgreSQL keeps whole, in bytes (`NAMEDATALEN - 1`).
    pub const MAX_BYTES: usize = 63;

    /// Quotes `raw` as standard SQL does: in double quotes, with inner ones doubled.
    pub fn new(raw: &str) -> Result<Self, IdentError> {
        if raw.is_empty() {
            return Err(IdentError::Empty);
        }
        if raw.contains('\0') {
            return Err(IdentError::Nul);
        }
        if raw.len() > Self::MAX_BYTES {
            return Err(IdentError::TooLong(raw.to_owned(), Self::MAX_BYTES));
        }
        Ok(Self(format!("\"{}\"", raw.replace('"', "\"\""))))
    }
}

impl QuotedIdent {
    /// The longest identifier of MySQL and MariaDB, in characters.
    pub const MAX_CHARACTERS: usize = 64;

    /// Quotes `raw` as MySQL and MariaDB do under every `sql_mode`: in backticks, with inner ones doubled.
    pub fn backticked(raw: &str) -> Result<Self, IdentError> {
        if raw.is_empty() {
            return Err(IdentError::Empty);
        }
        if raw.contains('\0') {
            return Err(IdentError::Nul);
        }
        if raw.chars().count() > Self::MAX_CHARACTERS {
            return Err(IdentError::TooManyCharacters(raw.to_owned(), Self::MAX_CHARACTERS));
        }
        Ok(Self(format!("`{}`", raw.replace('`', "``"))))
    }
}

impl fmt::Display for QuotedIdent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text value, quoted for SQL with `standard_conforming_strings` on or off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotedLiteral(String);

impl QuotedLiteral {
    /// Quotes `raw`; a backslash makes it an `E''` literal, so that it means the same under both settings.
    pub fn new(raw: &str) -> Result<Self, IdentError> {
        if raw.contains('\0') {
            return Err(IdentError::Nul);
        }
        let quotes = raw.replace('\'', "''");
        Ok(Self(if raw.contains('\\') {
            format!("E'{}'", quotes.replace('\\', "\\\\"))
        } else {
            format!("'{quotes}'")
        }))
    }
}

impl fmt::Display for QuotedLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a relation, type or other object as the server stores it: folded and without quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// The schema, where the text names one; else the server's `search_path` decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The object's own name.
    pub name: String,
}

impl Name {
    /// A name without a schema.
    pub fn plain(name: impl Into<String>) -> Self {
        Self { schema: None, name: name.into() }
    }

    /// A name in a schema.
    pub fn qualified(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: Some(schema.into()), name: name.into() }
    }

    /// A sibling: another object in the same schema.
    pub fn beside(&self, name: impl Into<String>) -> Self {
        Self { schema: self.schema.clone(), name: name.into() }
    }

    /// The quoted form for SQL text, `"s"."t"`.
    pub fn to_sql(&self) -> Result<String, IdentError> {
        let name = QuotedIdent::new(&self.name)?;
        Ok(match &self.schema {
            Some(schema) => format!("{}.{name}", QuotedIdent::new(schema)?),
            None => name.to_string(),
        })
    }
}

impl Name {
    /// The quoted form for MySQL and MariaDB, `` `s`.`t` ``.
    pub fn to_mysql(&self) -> Result<String, IdentError> {
        let name = QuotedIdent::backticked(&self.name)?;
        Ok(match &self.schema {
            Some(schema) => format!("{}.{name}", QuotedIdent::backticked(schema)?),
            None => name.to_string(),
        })
    }
}

/// For people, not for SQL: `schema.name` without quotes.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.name)
    }
}

/// Cuts `base` so that `base + suffix` fits an identifier, at a character boundary. The result is a function
/// of its inputs alone, so that a second run finds the object that the first one made.
pub fn with_suffix(base: &str, suffix: &str) -> String {
    let mut keep = QuotedIdent::MAX_BYTES.saturating_sub(suffix.len()).min(base.len());
    while !base.is_char_boundary(keep) {
        keep -= 1;
    }
    format!("{}{suffix}", &base[..keep])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled_and_bad_names_refused() {
        assert_eq!(QuotedIdent::new(r#"a"b"#).unwrap().to_string(), r#""a""b""#);
        assert_eq!(QuotedIdent::new(""), Err(IdentError::Empty));
        assert_eq!(QuotedIdent::new("a\0b"), Err(IdentError::Nul));
        assert!(QuotedIdent::new(&"x".repeat(63)).is_ok());
        assert!(matches!(QuotedIdent::new(&"x".repeat(64)), Err(IdentError::TooLong(..))));
    }

    #[test]
    fn names_of_mysql_are_quoted_and_bad_ones_refused() {
        assert_eq!(QuotedIdent::backticked("a`b").unwrap().to_string(), "`a``b`");
        assert_eq!(Name::qualified("x", "t").to_mysql().unwrap(), "`x`.`t`");
        assert!(QuotedIdent::backticked(&"é".repeat(64)).is_ok());
        for bad in ["", "a\0b", &"x".repeat(65)] {
            assert!(QuotedIdent::backticked(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn literals_mean_the_same_under_both_settings_of_standard_conforming_strings() {
        assert_eq!(QuotedLiteral::new("it's").unwrap().to_string(), "'it''s'");
        assert_eq!(QuotedLiteral::new(r"a\'").unwrap().to_string(), r"E'a\\'''");
    }

    #[test]
    fn a_suffix_fits_and_keeps_characters_whole() {
        assert_eq!(with_suffix("t", "_nn"), "t_nn");
        let long = with_suffix(&"é".repeat(40), "_nn");
        assert!(long.len() <= 63 && long.ends_with("é_nn"));
    }
}
