//! What the facts prove, and what definitions that the server printed say.

use cofferdam_core::Name;
use cofferdam_core::facts::Table;

use super::super::lex::Token;
use super::super::locks::printed;
use super::text::{self, Word};

/// The server knows, without reading a row, that no row of the table holds NULL in the column: it is NOT NULL,
/// or a validated CHECK says `column IS NOT NULL`, alone or joined by AND.
pub(in crate::postgres) fn proves_not_null(table: &Table, column: &str) -> bool {
    let unchecked = |c: &&cofferdam_core::facts::ConstraintFacts| {
        c.kind == "not null" && !c.validated && c.columns.iter().any(|n| n == column)
    };
    // A NOT NULL that is still to be validated (PostgreSQL 18) marks the column, but proves nothing.
    if table.column(column).is_some_and(|c| c.not_null) && table.constraints.iter().all(|c| !unchecked(&c)) {
        return true;
    }
    let checks = table.constraints.iter().filter(|c| c.kind == "check" && c.validated);
    checks.into_iter().any(|c| {
        let words = text::words(&c.definition);
        match (words.first(), text::closing(&words, 1)) {
            (Some(first), Some(close)) if first.is("check") && words[1].is("(") => {
                demands_not_null(&words[2..close], column)
            }
            _ => false,
        }
    })
}

/// `column IS NOT NULL`, alone or among conditions joined by AND.
fn demands_not_null(condition: &[Word<'_>], column: &str) -> bool {
    let condition = unwrapped(condition);
    let depths = text::depths(condition);
    let outside =
        |word: &str| (0..condition.len()).filter(|&i| depths[i] == 0 && condition[i].is(word)).collect();
    let (ands, ors): (Vec<usize>, Vec<usize>) = (outside("and"), outside("or"));
    // BETWEEN has an AND of its own, which cuts no condition that ends in IS NOT NULL.
    if ors.is_empty() && !ands.is_empty() {
        let mut from = 0;
        return ands.into_iter().chain([condition.len()]).any(|to| {
            let part = &condition[from.min(to)..to];
            from = to + 1;
            demands_not_null(part, column)
        });
    }
    match condition {
        [name, is, not, null] => {
            name.identifier().as_deref() == Some(column) && is.is("is") && not.is("not") && null.is("null")
        }
        _ => false,
    }
}

/// Without the parentheses around the whole.
pub(super) fn unwrapped<'w, 'a>(mut words: &'w [Word<'a>]) -> &'w [Word<'a>] {
    while words.len() > 2 && words[0].is("(") && text::closing(words, 0) == Some(words.len() - 1) {
        words = &words[1..words.len() - 1];
    }
    words
}

/// The parent in the definition of a foreign key.
pub(in crate::postgres) fn referenced(definition: &str) -> Option<Name> {
    let words = text::words(definition);
    let at = words.iter().position(|w| w.is("references"))? + 1;
    let name = words.get(at..at + text::name_length(words.get(at..)?))?;
    let mut parts: Vec<String> = name.iter().filter_map(Word::identifier).collect();
    let own = parts.pop()?;
    Some(Name { schema: parts.pop(), name: own })
}

/// USING that says no more than the change of type itself: `c`, `c::ty`, `CAST(c AS ty)`.
pub(in crate::postgres) fn is_plain_cast(using: &str, column: &str, ty: &str) -> bool {
    let all = text::words(using);
    let words = unwrapped(&all);
    let names_column = |w: &Word<'_>| w.identifier().as_deref() == Some(column);
    let names_type = |w: &[Word<'_>]| {
        let written = text::slice(using, w);
        printed(written).is_some_and(|p| Some(p) == printed(ty))
    };
    match words {
        [one] => names_column(one),
        [one, colon, again, rest @ ..] if colon.is(":") && again.is(":") => {
            names_column(one) && names_type(rest)
        }
        [cast, open, one, r#as, rest @ .., close]
            if cast.is("cast") && open.is("(") && r#as.is("as") && close.is(")") =>
        {
            names_column(one) && names_type(rest)
        }
        _ => false,
    }
}

/// The column stands in a text as a name of its own.
pub(in crate::postgres) fn mentions(definition: &str, column: &str) -> bool {
    text::words(definition).iter().any(|w| w.identifier().as_deref() == Some(column))
}

/// The columns that an expression reads, each once, as far as the words tell: not the names of functions and
/// types. `known` are the table's columns; where they are not known every other name counts as one.
pub(in crate::postgres) fn columns_in(expression: &str, known: Option<&[String]>) -> Vec<String> {
    const WORDS: &[&str] = &[
        "all",
        "and",
        "any",
        "array",
        "as",
        "at",
        "between",
        "both",
        "case",
        "cast",
        "coalesce",
        "collate",
        "current_date",
        "current_time",
        "current_timestamp",
        "current_user",
        "date",
        "distinct",
        "else",
        "end",
        "escape",
        "exists",
        "false",
        "from",
        "greatest",
        "ilike",
        "in",
        "interval",
        "is",
        "isnull",
        "leading",
        "least",
        "like",
        "not",
        "notnull",
        "null",
        "nullif",
        "or",
        "row",
        "similar",
        "some",
        "symmetric",
        "then",
        "time",
        "timestamp",
        "to",
        "trailing",
        "true",
        "unknown",
        "when",
        "zone",
    ];
    let words = text::words(expression);
    let mut found: Vec<String> = Vec::new();
    for (i, word) in words.iter().enumerate() {
        let Some(name) = word.identifier() else { continue };
        let next = words.get(i + 1);
        let function = next.is_some_and(|n| n.is("("));
        let qualifier = next.is_some_and(|n| n.is("."));
        let ty = i > 0 && words[i - 1].is(":");
        let after_as = i > 0 && words[i - 1].is("as");
        if function || qualifier || ty || after_as {
            continue;
        }
        let counts = match known {
            Some(known) => known.contains(&name),
            None => word.token == Token::QuotedName || !WORDS.contains(&name.as_str()),
        };
        if counts && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

/// Values of both types have the same order and the same operators: an index keeps as it is.
pub(in crate::postgres) fn same_order(old: Option<&str>, new: &str) -> bool {
    let base = |ty: &str| {
        let ty = printed(ty)?;
        let base: String = ty.chars().take_while(|c| *c != '(').collect();
        let zone = if ty.contains("with time zone") { " with time zone" } else { "" };
        Some(match base.trim() {
            "character varying" => "text".to_owned(),
            "cidr" => "inet".to_owned(),
            base => format!("{}{zone}", base.split(" with").next().unwrap_or(base)),
        })
    };
    old.and_then(base).is_some_and(|old| Some(old) == base(new))
}

#[cfg(test)]
mod tests {
    use cofferdam_core::facts::{ColumnFacts, ConstraintFacts};

    use super::*;

    #[test]
    fn a_check_proves_not_null_only_when_it_demands_it() {
        let cases = [
            ("CHECK ((c IS NOT NULL))", true),
            ("CHECK (((c IS NOT NULL) AND (d > 0)))", true),
            ("CHECK (((d >= 1) AND (d <= 2) AND (c IS NOT NULL)))", true),
            ("CHECK (((c IS NOT NULL) OR (d > 0)))", false),
            ("CHECK ((c > 0))", false),
            ("CHECK ((NOT (c IS NOT NULL)))", false),
            ("CHECK ((d IS NOT NULL))", false),
        ];
        for (definition, expected) in cases {
            let check = |validated| Table {
                constraints: vec![ConstraintFacts {
                    kind: "check".into(),
                    validated,
                    definition: definition.into(),
                    ..ConstraintFacts::default()
                }],
                ..Table::default()
            };
            assert_eq!(proves_not_null(&check(true), "c"), expected, "{definition}");
            assert!(!proves_not_null(&check(false), "c"), "{definition}");
        }
    }

    #[test]
    fn a_not_null_that_is_not_validated_proves_nothing() {
        let mut table = Table {
            columns: vec![ColumnFacts { name: "c".into(), not_null: true, ..ColumnFacts::default() }],
            ..Table::default()
        };
        assert!(proves_not_null(&table, "c"));
        table.constraints.push(ConstraintFacts {
            kind: "not null".into(),
            columns: vec!["c".into()],
            ..ConstraintFacts::default()
        });
        assert!(!proves_not_null(&table, "c"));
    }

    #[test]
    fn parents_are_read_from_definitions() {
        let parent = |d: &str| referenced(d).map(|n| n.to_string());
        assert_eq!(
            parent("FOREIGN KEY (a) REFERENCES app.\"P q\"(id) ON DELETE CASCADE").unwrap(),
            "app.P q"
        );
        assert_eq!(parent("FOREIGN KEY (a) REFERENCES p(id)").unwrap(), "p");
        assert_eq!(parent("CHECK ((a > 0))"), None);
    }

    #[test]
    fn columns_of_an_expression_are_found_with_and_without_facts() {
        let known = ["a".to_owned(), "b".to_owned(), "length".to_owned()];
        let cases: &[(&str, &str)] = &[
            ("a > 0", "a"),
            ("a > 0 AND a < 10", "a"),
            ("t.a < b", "a b"),
            ("length(b) > 3 AND b <> 'a'", "b"),
            ("\"a\"::int IN (1, 2)", "a"),
            ("CAST(a AS numeric(3,1)) IS NOT NULL", "a"),
            ("true", ""),
        ];
        for (expression, expected) in cases {
            assert_eq!(columns_in(expression, Some(&known)).join(" "), *expected, "{expression}");
            assert_eq!(columns_in(expression, None).join(" "), *expected, "{expression}");
        }
    }
}
