//! What `SHOW GRANTS` says, as far as rights on databases and tables go.

use crate::head::quoted;

/// The rights of a user.
#[derive(Debug, Default)]
pub(super) struct Grants {
    given: Vec<Given>,
    /// A line was not understood: it may give anything.
    unread: bool,
}

#[derive(Debug, PartialEq)]
struct Given {
    /// In capital letters; `ALL PRIVILEGES` are all of them.
    rights: Vec<String>,
    /// A pattern; `*` is every database.
    database: String,
    /// `*`: every table.
    table: String,
}

impl Grants {
    /// A line. One that gives roles gives no right.
    pub(super) fn add(&mut self, line: &str) {
        match given(line) {
            Ok(given) => self.given.extend(given),
            Err(Unread) => self.unread = true,
        }
    }

    /// Whether a right is there on a table, on some of its columns at least.
    pub(super) fn give(&self, right: &str, database: &str, table: &str) -> bool {
        self.unread
            || self.given.iter().any(|given| {
                let on = (given.database == "*" || like(&given.database, database))
                    && (given.table == "*" || given.table.eq_ignore_ascii_case(table));
                on && given.rights.iter().any(|r| r == "ALL PRIVILEGES" || r == "ALL" || r == right)
            })
    }
}

/// A line that is not understood.
#[derive(Debug)]
struct Unread;

/// From ``GRANT SELECT, UPDATE (`a`) ON `shop`.* TO `me`@`%` ``. `None`: it gives no right on tables.
fn given(line: &str) -> Result<Option<Given>, Unread> {
    let Some((rights, rest)) = line.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON ")) else {
        return Ok(None);
    };
    let of_routine = ["PROCEDURE ", "FUNCTION ", "PACKAGE "].iter().any(|kind| rest.starts_with(kind));
    if of_routine || rights == "PROXY" {
        return Ok(None);
    }
    let (database, rest) = part(rest).ok_or(Unread)?;
    let (table, _) = rest.strip_prefix('.').and_then(part).ok_or(Unread)?;
    Ok(Some(Given { rights: listed(rights), database, table }))
}

/// The names of rights, without the columns behind them.
fn listed(text: &str) -> Vec<String> {
    let mut rights = vec![String::new()];
    let mut depth = 0_u32;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => rights.push(String::new()),
            c if depth == 0 => {
                if let Some(right) = rights.last_mut() {
                    right.push(c);
                }
            }
            _ => {}
        }
    }
    rights.iter().map(|right| right.trim().to_uppercase()).collect()
}

/// A name in backticks, or in double quotes under `ANSI_QUOTES`, or a star; and what follows it.
fn part(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('*') {
        return Some(("*".to_owned(), rest));
    }
    quoted(text, '`').or_else(|| quoted(text, '"'))
}

/// As the server compares names of databases with those of grants: `_` and `%` stand for others, unless a backslash is
/// before them.
fn like(pattern: &str, name: &str) -> bool {
    let mut pattern_rest = pattern.chars();
    let Some(first) = pattern_rest.next() else { return name.is_empty() };
    let mut name_rest = name.chars();
    match first {
        '%' => {
            let rest = pattern_rest.as_str();
            name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| like(rest, &name[at..]))
        }
        '_' => name_rest.next().is_some() && like(pattern_rest.as_str(), name_rest.as_str()),
        c => {
            let wanted = if c == '\\' { pattern_rest.next().unwrap_or(c) } else { c };
            let same = name_rest.next().is_some_and(|c| c.to_lowercase().eq(wanted.to_lowercase()));
            same && like(pattern_rest.as_str(), name_rest.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_what_it_says() {
        for (line, right, database, table, expected) in [
            (
                "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION",
                "ALTER",
                "shop",
                "t",
                true,
            ),
            ("GRANT USAGE ON *.* TO `me`@`%` IDENTIFIED BY PASSWORD '*X'", "SELECT", "shop", "t", false),
            ("GRANT SELECT, INSERT ON `shop`.* TO `me`@`%`", "INSERT", "shop", "t", true),
            ("GRANT SELECT, INSERT ON `shop`.* TO `me`@`%`", "UPDATE", "shop", "t", false),
            ("GRANT SELECT, INSERT ON `shop`.* TO `me`@`%`", "INSERT", "other", "t", false),
            ("GRANT SELECT ON `my\\_shop`.* TO `me`@`%`", "SELECT", "my_shop", "t", true),
            ("GRANT SELECT ON `my\\_shop`.* TO `me`@`%`", "SELECT", "myxshop", "t", false),
            ("GRANT SELECT ON `shop_%`.* TO `me`@`%`", "SELECT", "shop_prod", "t", true),
            ("GRANT ALTER ON `shop`.`a``b` TO `me`@`%`", "ALTER", "shop", "a`b", true),
            ("GRANT ALTER ON `shop`.`t` TO `me`@`%`", "ALTER", "shop", "u", false),
            ("GRANT SELECT (`a`, `b`), UPDATE (`a`) ON `shop`.`t` TO `me`@`%`", "UPDATE", "shop", "t", true),
            ("GRANT EXECUTE ON PROCEDURE `shop`.`p` TO `me`@`%`", "EXECUTE", "shop", "p", false),
            ("GRANT `role`@`%` TO `me`@`%`", "SELECT", "shop", "t", false),
            ("GRANT CREATE VIEW, INDEX ON `shop`.* TO `me`@`%`", "CREATE VIEW", "shop", "v", true),
            ("GRANT CREATE VIEW, INDEX ON `shop`.* TO `me`@`%`", "CREATE", "shop", "v", false),
            ("GRANT PROXY ON ''@'%' TO 'root'@'localhost' WITH GRANT OPTION", "SELECT", "shop", "t", false),
            ("GRANT ALTER ON \"shop\".\"a\"\"b\" TO \"me\"@\"%\"", "ALTER", "shop", "a\"b", true),
            ("GRANT ALTER ON \"shop\".* TO \"me\"@\"%\"", "ALTER", "other", "t", false),
            // Whoever cannot read it asks for nothing in vain.
            ("GRANT ALTER ON shop.t TO me@%", "DROP", "other", "t", true),
            ("REVOKE SELECT ON `shop`.* FROM `me`@`%`", "SELECT", "shop", "t", false),
        ] {
            let mut grants = Grants::default();
            grants.add(line);
            assert_eq!(
                grants.give(right, database, table),
                expected,
                "{line}: {right} on {database}.{table}"
            );
        }
    }
}
