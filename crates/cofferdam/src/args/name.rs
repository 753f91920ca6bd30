//! The name of a table as a person types it.

use cofferdam_core::Name;

/// Reads `orders`, `app.orders` and `"App"."Orders"`: without quotes a name is folded to lower case, as the server
/// does.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn parse(text: &str) -> Result<Name, String> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = one(rest)?;
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => break,
            None => return Err(format!("{after:?} does not belong to a name")),
        }
    }
    match <[String; 2]>::try_from(parts) {
        Ok([schema, name]) => Ok(Name { schema: Some(schema), name }),
        Err(parts) => match <[String; 1]>::try_from(parts) {
            Ok([name]) => Ok(Name { schema: None, name }),
            Err(_) => Err("write SCHEMA.TABLE: the database is that of --url".to_owned()),
        },
    }
}

/// The first part, and what follows it.
fn one(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        let part = text[..end].trim();
        return match part.is_empty() || part.contains('"') {
            true => Err("write TABLE or SCHEMA.TABLE, in double quotes where it has capitals".to_owned()),
            false => Ok((part.to_lowercase(), &text[end..])),
        };
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let Some(end) = rest.find('"') else {
            return Err(format!("the quote before {quoted} is not closed"));
        };
        name += &rest[..end];
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None if name.is_empty() => return Err("a name is empty".to_owned()),
            None => return Ok((name, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_server_reads_them() {
        let name = |schema: Option<&str>, name: &str| {
            Some(Name { schema: schema.map(str::to_owned), name: name.into() })
        };
        for (text, expected) in [
            ("orders", name(None, "orders")),
            ("App.Orders", name(Some("app"), "orders")),
            ("\"App\".\"Or\"\"ders\"", name(Some("App"), "Or\"ders")),
            ("app.\"Order.Items\"", name(Some("app"), "Order.Items")),
            ("bestellübersicht", name(None, "bestellübersicht")),
            ("", None),
            ("a.b.c", None),
            (".orders", None),
            ("\"orders", None),
            ("\"\"", None),
            ("\"a\"b", None),
        ] {
            assert_eq!(parse(text).ok(), expected, "{text}");
        }
    }
}
