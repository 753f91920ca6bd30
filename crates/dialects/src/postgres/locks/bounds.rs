//! Whether a table's own checks prove that its rows fit the bounds of a partition.

use cofferdam_core::facts::Table;

use crate::postgres::lex::Token;
use crate::postgres::sequence::text;

/// A validated CHECK of the table speaks of every value of the bounds in `ATTACH PARTITION ... FOR VALUES`, and its
/// columns cannot be NULL: the server then reads no row. What is not understood is not proved. Of a default partition
/// nothing is, because what it may hold depends on all the others.
pub fn proved(attach: &str, table: &Table) -> bool {
    let Some(values) = attach.to_ascii_uppercase().find("FOR VALUES").map(|at| literals(&attach[at..]))
    else {
        return false;
    };
    let not_null = |column: &String, definition: &str| {
        table.column(column).is_some_and(|known| known.not_null)
            || definition
                .to_ascii_uppercase()
                .contains(&format!("{} IS NOT NULL", column.to_ascii_uppercase()))
    };
    !values.is_empty()
        && table.constraints.iter().any(|constraint| {
            let there = literals(&constraint.definition);
            constraint.kind == "check"
                && constraint.validated
                && !constraint.columns.is_empty()
                && values.iter().all(|value| there.contains(value))
                && constraint.columns.iter().all(|column| not_null(column, &constraint.definition))
        })
}

/// The numbers and quoted texts of a piece of SQL, without quotes.
fn literals(sql: &str) -> Vec<String> {
    text::words(sql)
        .iter()
        .filter(|word| {
            word.token == Token::Text || word.text.starts_with(|c: char| c.is_ascii_digit() || c == '\'')
        })
        .map(|word| word.text.trim_matches('\'').to_owned())
        .collect()
}
