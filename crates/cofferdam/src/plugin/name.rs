//! The name of an object as users of kubectl type it.

/// What may stand before the name.
const KINDS: &[&str] = &[
    "dbm",
    "databasemigration",
    "databasemigrations",
    "databasemigration.cofferdam.dev",
    "databasemigrations.cofferdam.dev",
];

/// Reads `orders`, `dbm/orders` and `databasemigration.cofferdam.dev/orders`.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn parse(text: &str) -> Result<String, String> {
    let name = match text.split_once('/') {
        None => text,
        Some((kind, name)) if KINDS.contains(&kind.to_ascii_lowercase().as_str()) => name,
        Some((kind, _)) => return Err(format!("{kind:?} is another kind; write NAME or dbm/NAME")),
    };
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    match !name.is_empty() && name.chars().all(fits) {
        true => Ok(name.to_owned()),
        false => Err(format!("{name:?} is no name of an object; write NAME or dbm/NAME")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_and_without_their_kind() {
        for (text, expected) in [
            ("orders", Some("orders")),
            ("dbm/orders", Some("orders")),
            ("DatabaseMigration/orders-2", Some("orders-2")),
            ("databasemigration.cofferdam.dev/orders", Some("orders")),
            ("pod/orders", None),
            ("dbm/", None),
            ("", None),
            ("dbm/a/b", None),
            ("Orders", None),
            ("orders;rm", None),
        ] {
            assert_eq!(parse(text).ok().as_deref(), expected, "{text}");
        }
    }
}
