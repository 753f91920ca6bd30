//! Constraints: NOT VALID and then VALIDATE; keys by way of an index that is built while others write.

use cofferdam_core::QuotedIdent;
use cofferdam_core::change::{Constraint, ConstraintKind};
use cofferdam_core::ident::IdentError;
use cofferdam_core::plan::Probe;

use super::super::locks::{Effect, Lock};
use super::alter::Subject;
use super::names::{self, Names};
use super::not_null::{self, validated};
use super::text::{self, StripWords};
use super::{SafeStep, index, known};

/// It brings an index with it, on which a foreign key of the same statement may rely.
pub(super) fn is_key(constraint: &Constraint) -> bool {
    matches!(constraint.kind, ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. })
}

/// The steps of `ADD CONSTRAINT`; `None`: it stays as written.
pub(super) fn steps(
    subject: &Subject<'_>,
    constraint: &Constraint,
    names: &mut Names<'_>,
) -> Result<Option<Vec<SafeStep>>, IdentError> {
    if !splits(subject, constraint) {
        return Ok(None);
    }
    let table = &subject.table.name;
    let given = constraint.name.clone();
    match &constraint.kind {
        ConstraintKind::Check { expression } => {
            let columns = known::columns_in(expression, subject.columns.as_deref());
            let name = given.unwrap_or_else(|| names.check(table, &columns));
            let moment = Effect::taking(Lock::AccessExclusive);
            later(subject, "check", &name, constraint, [moment, validating()]).map(Some)
        }
        ConstraintKind::ForeignKey { columns, parent, .. } => {
            let name = given.unwrap_or_else(|| names.foreign_key(table, columns));
            let (mut add, mut validate) = (Effect::taking(Lock::ShareRowExclusive), validating());
            if parent != subject.table {
                add = add.also(parent.clone(), Lock::ShareRowExclusive);
                validate = validate.also(parent.clone(), Lock::RowShare);
            }
            later(subject, "foreign key", &name, constraint, [add, validate]).map(Some)
        }
        ConstraintKind::Unique { using_index: None, .. } => key(subject, constraint, &[], names),
        ConstraintKind::PrimaryKey { columns, using_index: None } => key(subject, constraint, columns, names),
        ConstraintKind::PrimaryKey { using_index: Some(index), .. } => {
            using_index(subject, constraint, index, names)
        }
        ConstraintKind::Unique { .. } | ConstraintKind::Exclude | ConstraintKind::NotNull { .. } => Ok(None),
    }
}

/// Whether a constraint has a sequence of its own here: not what is unchecked as written, nor what the server
/// refuses on a partitioned table (an index of one's own for a key, and before 18 a foreign key NOT VALID).
pub(super) fn splits(subject: &Subject<'_>, constraint: &Constraint) -> bool {
    if constraint.not_valid || constraint.not_enforced {
        return false;
    }
    match &constraint.kind {
        ConstraintKind::Check { .. } => true,
        ConstraintKind::ForeignKey { .. } => !subject.partitioned || subject.facts.server.major() >= 18,
        ConstraintKind::Unique { using_index: None, .. }
        | ConstraintKind::PrimaryKey { using_index: None, .. } => {
            !subject.partitioned && Key::read(&constraint.definition).is_some()
        }
        ConstraintKind::PrimaryKey { using_index: Some(_), .. } => true,
        ConstraintKind::Unique { .. } | ConstraintKind::Exclude | ConstraintKind::NotNull { .. } => false,
    }
}

fn validating() -> Effect {
    Effect::taking(Lock::ShareUpdateExclusive).scanning()
}

/// NOT VALID, which holds for new rows at once, then VALIDATE, which reads the old ones.
fn later(
    subject: &Subject<'_>,
    what: &str,
    name: &str,
    constraint: &Constraint,
    [add_effect, validate_effect]: [Effect; 2],
) -> Result<Vec<SafeStep>, IdentError> {
    let name_sql = QuotedIdent::new(name)?;
    let sql = subject.alter(&format!("ADD CONSTRAINT {name_sql} {} NOT VALID", constraint.definition));
    let mut add = subject.step(format!("add {what} {name} not valid"), sql, add_effect);
    add.probe = Probe::ConstraintThere {
        table: subject.table.clone(),
        constraint: name.to_owned(),
        validated: false,
    };
    add.undo = subject.drops(name)?;
    Ok(vec![add, validated(subject, name, validate_effect)?])
}

/// The index under the constraint's own name, then the constraint that takes it over. The columns of a primary
/// key must be NOT NULL before, or the last step would read the whole table.
fn key(
    subject: &Subject<'_>,
    constraint: &Constraint,
    primary: &[String],
    names: &mut Names<'_>,
) -> Result<Option<Vec<SafeStep>>, IdentError> {
    let Some(key) = Key::read(&constraint.definition) else { return Ok(None) };
    let table = &subject.table.name;
    let name = constraint.name.clone().unwrap_or_else(|| {
        if key.primary {
            names.primary_key(table)
        } else {
            names.unique(table, &names::part_names(&key.parts))
        }
    });
    let mut steps = not_null::for_key(subject, primary, names)?;
    let (name_sql, table_sql) = (QuotedIdent::new(&name)?, subject.table.to_sql()?);
    let sql = format!("CREATE UNIQUE INDEX CONCURRENTLY {name_sql} ON {table_sql} {}", key.index);
    let Some(build) = index::build(subject.table, &name, true, sql, subject.facts) else { return Ok(None) };
    steps.push(build);
    let (word, title) =
        if key.primary { ("PRIMARY KEY", "primary key") } else { ("UNIQUE", "unique constraint") };
    let sql = format!("ADD CONSTRAINT {name_sql} {word} USING INDEX {name_sql}{}", key.tail);
    let effect = Effect::taking(Lock::AccessExclusive);
    let mut add = subject.step(format!("add {title} {name} using its index"), subject.alter(&sql), effect);
    add.probe =
        Probe::ConstraintThere { table: subject.table.clone(), constraint: name.clone(), validated: true };
    add.undo = subject.drops(&name)?;
    steps.push(add);
    Ok(Some(steps))
}

/// `PRIMARY KEY USING INDEX` as written, after its columns were made NOT NULL.
fn using_index(
    subject: &Subject<'_>,
    constraint: &Constraint,
    index: &str,
    names: &mut Names<'_>,
) -> Result<Option<Vec<SafeStep>>, IdentError> {
    let table = subject.facts.table(subject.table);
    let Some(known) = table.and_then(|t| t.index(index)) else { return Ok(None) };
    let mut steps = not_null::for_key(subject, &known.columns, names)?;
    if steps.is_empty() {
        return Ok(None);
    }
    let name = constraint.name.clone().unwrap_or_else(|| index.to_owned());
    let sql = format!("ADD CONSTRAINT {} {}", QuotedIdent::new(&name)?, constraint.definition);
    let effect = Effect::taking(Lock::AccessExclusive);
    let mut add =
        subject.step(format!("add primary key {name} using its index"), subject.alter(&sql), effect);
    add.probe =
        Probe::ConstraintThere { table: subject.table.clone(), constraint: name.clone(), validated: true };
    add.undo = super::super::inverse::key_dropped(subject.table, &name, index, subject.facts);
    steps.push(add);
    Ok(Some(steps))
}

/// The definition of a key in the parts of which its index and its constraint are made.
struct Key {
    primary: bool,
    /// `(a, b) INCLUDE (c)`.
    parts: String,
    /// What `CREATE INDEX` says after the table.
    index: String,
    /// `DEFERRABLE INITIALLY DEFERRED`, with a space before it.
    tail: String,
}

impl Key {
    /// `None` for what an index of one's own cannot express (WITHOUT OVERLAPS).
    fn read(definition: &str) -> Option<Self> {
        let words = text::words(definition);
        let (primary, mut rest) = match words.strip_prefix_words(&["primary", "key"]) {
            Some(rest) => (true, rest),
            None => (false, words.strip_prefix_words(&["unique"])?),
        };
        let mut nulls = "";
        if let Some(after) = rest.strip_prefix_words(&["nulls", "not", "distinct"]) {
            (rest, nulls) = (after, " NULLS NOT DISTINCT");
        } else if let Some(after) = rest.strip_prefix_words(&["nulls", "distinct"]) {
            rest = after;
        }
        let close = rest.first().filter(|w| w.is("(")).and_then(|_| text::closing(rest, 0))?;
        if rest[..close].iter().any(|w| w.is("overlaps")) {
            return None;
        }
        let mut parts = text::slice(definition, &rest[..=close]).to_owned();
        rest = &rest[close + 1..];
        if let Some(after) = rest.strip_prefix_words(&["include"]) {
            let close = text::closing(after, 0)?;
            parts = format!("{parts} INCLUDE {}", text::slice(definition, &after[..=close]));
            rest = &after[close + 1..];
        }
        let mut index = format!("{parts}{nulls}");
        if let Some(after) = rest.strip_prefix_words(&["with"]) {
            let close = text::closing(after, 0)?;
            index = format!("{index} WITH {}", text::slice(definition, &after[..=close]));
            rest = &after[close + 1..];
        }
        if let Some([space, after @ ..]) = rest.strip_prefix_words(&["using", "index", "tablespace"]) {
            index = format!("{index} TABLESPACE {}", space.text);
            rest = after;
        }
        let timing = ["not", "deferrable", "initially", "deferred", "immediate", "enforced"];
        if !rest.iter().all(|w| timing.iter().any(|t| w.is(t))) {
            return None;
        }
        let tail = text::slice(definition, rest);
        Some(Self {
            primary,
            parts,
            index,
            tail: if tail.is_empty() { String::new() } else { format!(" {tail}") },
        })
    }
}
