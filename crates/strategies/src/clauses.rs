//! What an ALTER TABLE says behind the table's name, as it is written.

/// The clauses of `ALTER TABLE [IF EXISTS] [ONLY] name [*] clauses`; `None` where the text is something else, or has
/// no clauses.
pub(crate) fn clauses(statement: &str) -> Option<&str> {
    let mut rest = word(blank(statement), "alter")?;
    rest = word(blank(rest), "table")?;
    if let Some(after) = word(blank(rest), "if") {
        rest = word(blank(after), "exists")?;
    }
    if let Some(after) = word(blank(rest), "only") {
        rest = after;
    }
    rest = identifier(blank(rest))?;
    while let Some(after) = blank(rest).strip_prefix('.') {
        rest = identifier(blank(after))?;
    }
    let rest = blank(rest);
    let rest = blank(rest.strip_prefix('*').unwrap_or(rest));
    let clauses = rest.trim_end().trim_end_matches(';').trim_end();
    (!clauses.is_empty()).then_some(clauses)
}

/// Without the white space and comments at the beginning.
fn blank(text: &str) -> &str {
    let mut text = text.trim_start();
    loop {
        let after = if let Some(comment) = text.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, rest)| rest)
        } else if text.starts_with("/*") {
            block(text)
        } else {
            return text;
        };
        text = after.trim_start();
    }
}

/// What follows the block comment at the beginning. Such comments nest.
fn block(text: &str) -> &str {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return &text[at..];
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    ""
}

fn word<'t>(text: &'t str, expected: &str) -> Option<&'t str> {
    let found = text.get(..expected.len())?;
    let rest = &text[expected.len()..];
    let ends = !rest.chars().next().is_some_and(part_of_a_word);
    (found.eq_ignore_ascii_case(expected) && ends).then_some(rest)
}

fn identifier(text: &str) -> Option<&str> {
    if let Some(quote) = ['"', '`'].into_iter().find(|quote| text.starts_with(*quote)) {
        let mut rest = text.get(1..)?;
        loop {
            rest = &rest[rest.find(quote)? + 1..];
            match rest.strip_prefix(quote) {
                Some(after) => rest = after,
                None => return Some(rest),
            }
        }
    }
    let end = text.find(|c| !part_of_a_word(c)).unwrap_or(text.len());
    (end > 0).then(|| &text[end..])
}

fn part_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::clauses;

    #[test]
    fn clauses_stand_behind_the_name() {
        for (text, expected) in [
            ("ALTER TABLE orders ADD COLUMN x int", Some("ADD COLUMN x int")),
            ("alter table if exists only public.orders * add x int, drop y;", Some("add x int, drop y")),
            ("ALTER TABLE \"A\"\"b\".\"only\" ALTER a TYPE bigint ; ", Some("ALTER a TYPE bigint")),
            (
                "ALTER /* a /* b */ ; */ TABLE -- x\n\n t\nADD y text DEFAULT '--'",
                Some("ADD y text DEFAULT '--'"),
            ),
            ("ALTER TABLE ifs ADD a int", Some("ADD a int")),
            ("ALTER TABLE `a``b`.`t` MODIFY id bigint", Some("MODIFY id bigint")),
            ("ALTER TABLE t", None),
            ("ALTER TABLE \"t ADD x int", None),
            ("ALTER INDEX i RENAME TO j", None),
            ("ALTER TABLE t /* for ever", None),
            ("", None),
        ] {
            assert_eq!(clauses(text), expected, "{text}");
        }
    }
}
