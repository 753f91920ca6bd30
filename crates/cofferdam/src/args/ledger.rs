//! Where it is kept what is applied, and what the placeholders of a directory are.

use clap::ValueEnum;
use cofferdam_core::Name;
use cofferdam_engines::Kept;
use serde::Deserialize;

/// Where it is kept what is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Where {
    /// In Cofferdam's own history alone.
    Own,
    /// In the table of the directory's tool alone.
    Tool,
    /// In both, in one transaction.
    Both,
}

impl From<Where> for Kept {
    fn from(place: Where) -> Self {
        match place {
            Where::Own => Kept::Own,
            Where::Tool => Kept::Tool,
            Where::Both => Kept::Both,
        }
    }
}

/// Reads `NAME=VALUE`. The value may be empty.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn placeholder(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, for example --placeholder tenant=acme".to_owned()),
    }
}

/// Reads `TABLE` or `SCHEMA.TABLE`.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn table(text: &str) -> Result<Name, String> {
    let name = match text.split_once('.') {
        Some((schema, table)) => Name::qualified(schema, table),
        None => Name::plain(text),
    };
    match name.to_sql() {
        Ok(_) => Ok(name),
        Err(why) => Err(format!("{text:?} is no name of a table: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_tables_are_read() {
        assert_eq!(placeholder("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(placeholder("a="), Ok(("a".into(), String::new())));
        assert!(placeholder("a").is_err() && placeholder("=b").is_err());
        assert_eq!(table("app.versions"), Ok(Name::qualified("app", "versions")));
        assert_eq!(table("versions"), Ok(Name::plain("versions")));
        assert!(table("").is_err() && table("a.").is_err());
    }
}
