//! Names and texts on their way into SQL.

use cofferdam_core::ident::IdentError;
use cofferdam_core::{Name, QuotedIdent};

pub(super) fn quoted(raw: &str) -> Result<QuotedIdent, IdentError> {
    QuotedIdent::backticked(raw)
}

/// `` `database`.`table` ``; a name without a database is one of `database`.
pub(super) fn qualified(database: &str, name: &Name) -> Result<String, IdentError> {
    let schema = name.schema.as_deref().unwrap_or(database);
    Name::qualified(schema, name.name.as_str()).to_mysql()
}

/// A text as a literal that is the same under every `sql_mode` and character set: by its bytes.
pub(super) fn literal(text: &str) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        // Writing into memory cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    format!("CONVERT(x'{hex}' USING utf8mb4)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_its_bytes() {
        assert_eq!(literal("a'\\"), "CONVERT(x'61275c' USING utf8mb4)");
    }
}
