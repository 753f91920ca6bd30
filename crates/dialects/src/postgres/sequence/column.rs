//! `ADD COLUMN` with constraints of its own: the plain column, and the constraints after it.

use cofferdam_core::QuotedIdent;
use cofferdam_core::change::{Column, Constraint, ConstraintKind};

use super::alter::Subject;
use super::constraint;
use super::text::{self, Word};

/// An `ADD COLUMN` in parts.
pub(super) struct Split {
    /// The clause without the constraints that go their own way.
    pub(super) clause: String,
    /// The column of that clause.
    pub(super) column: Column,
    /// The constraints, as table constraints.
    pub(super) constraints: Vec<Constraint>,
}

/// Takes those constraints out of an `ADD COLUMN` that have a sequence of their own. `None`: there is none.
pub(super) fn split(subject: &Subject<'_>, column: &Column, clause: &str) -> Option<Split> {
    if column.check.is_none() && !column.unique && !column.primary_key && column.references.is_none() {
        return None;
    }
    let words = text::words(clause);
    let mut plain = column.clone();
    let mut kept = Vec::new();
    let mut constraints = Vec::new();
    for (index, segment) in segments(&words).into_iter().enumerate() {
        let own = (index > 0).then(|| as_table_constraint(column, clause, segment)).flatten();
        match own.filter(|c| constraint::splits(subject, c)) {
            Some(constraint) => {
                match constraint.kind {
                    ConstraintKind::Check { .. } => plain.check = None,
                    ConstraintKind::Unique { .. } => plain.unique = false,
                    ConstraintKind::PrimaryKey { .. } => plain.primary_key = false,
                    _ => plain.references = None,
                }
                constraints.push(constraint);
            }
            None => kept.push(text::slice(clause, segment)),
        }
    }
    (!constraints.is_empty()).then(|| Split { clause: kept.join(" "), column: plain, constraints })
}

/// The column with its type, then each of its constraints with its name and all that belongs to it.
fn segments<'w, 'a>(words: &'w [Word<'a>]) -> Vec<&'w [Word<'a>]> {
    let depths = text::depths(words);
    let (mut all, mut from) = (Vec::new(), 0);
    for index in 1..words.len() {
        if depths[index] == 0 && begins(words, index) {
            all.push(&words[from..index]);
            from = index;
        }
    }
    all.push(&words[from..]);
    all
}

/// A column constraint begins at this word.
fn begins(words: &[Word<'_>], index: usize) -> bool {
    let word = &words[index];
    let after = |w: &str| words[index - 1].is(w);
    let before = |w: &str| words.get(index + 1).is_some_and(|next| next.is(w));
    // `ADD COLUMN check int` is no column of PostgreSQL's: these words are reserved, but for the last three.
    let named = index >= 2 && words[index - 2].is("constraint");
    if named {
        return false;
    }
    match () {
        () if word.is("constraint") => true,
        () if word.is("not") => before("null") && !after("default"),
        () if word.is("null") => !after("not") && !after("default") && !after("set"),
        () if word.is("default") => !after("set") && !after("by"),
        () if word.is("primary") => before("key"),
        () if word.is("generated") => before("always") || before("by"),
        () => ["check", "unique", "references"].iter().any(|w| word.is(w)),
    }
}

/// A column constraint as a constraint of its table.
fn as_table_constraint(column: &Column, clause: &str, segment: &[Word<'_>]) -> Option<Constraint> {
    let (name, words) = match segment {
        [word, name, rest @ ..] if word.is("constraint") => (Some(name.identifier()?), rest),
        all => (None, all),
    };
    let own = QuotedIdent::new(&column.name).ok()?;
    let columns = vec![column.name.clone()];
    let written = text::slice(clause, words);
    let first = words.first()?;
    let (kind, definition) = if first.is("check") {
        let close = text::closing(words, 1)?;
        let expression = text::slice(clause, words.get(2..close)?).to_owned();
        (ConstraintKind::Check { expression }, written.to_owned())
    } else if first.is("unique") {
        let nulls = words.iter().take(4).position(|w| w.is("distinct")).map_or(1, |i| i + 1);
        let (head, rest) = words.split_at(nulls);
        let definition = format!("{} ({own}) {}", text::slice(clause, head), text::slice(clause, rest));
        (ConstraintKind::Unique { columns, using_index: None }, definition.trim_end().to_owned())
    } else if first.is("primary") {
        let definition = format!("PRIMARY KEY ({own}) {}", text::slice(clause, words.get(2..)?));
        (ConstraintKind::PrimaryKey { columns, using_index: None }, definition.trim_end().to_owned())
    } else if first.is("references") {
        let (parent, parent_columns) = column.references.clone()?;
        let kind = ConstraintKind::ForeignKey { columns, parent, parent_columns };
        (kind, format!("FOREIGN KEY ({own}) {written}"))
    } else {
        return None;
    };
    // More than one REFERENCES on a column is possible, but only the last is known by its parts.
    let not_enforced = words.windows(2).any(|p| p[0].is("not") && p[1].is("enforced"));
    Some(Constraint { name, kind, not_valid: false, not_enforced, definition })
}
