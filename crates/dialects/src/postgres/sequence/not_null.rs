//! `SET NOT NULL` by way of a CHECK that is validated while others write: with a valid one the server takes the
//! column for NOT NULL without reading a row.
//!
//! PostgreSQL 18 has a shorter way; this one holds on all versions, and is the one that is tested.

use cofferdam_core::QuotedIdent;
use cofferdam_core::ident::IdentError;
use cofferdam_core::plan::{Probe, Undo};

use super::super::locks::{Effect, Lock};
use super::alter::{KeyColumn, Subject};
use super::names::Names;
use super::{SafeStep, undone_by};

/// The steps of `SET NOT NULL`.
pub(super) fn steps(
    subject: &Subject<'_>,
    column: &str,
    names: &mut Names<'_>,
) -> Result<Vec<SafeStep>, IdentError> {
    let table = subject.table;
    let check = names.not_null_check(&table.name, column);
    let (column_sql, check_sql) = (QuotedIdent::new(column)?, QuotedIdent::new(&check)?);
    let moment = || Effect::taking(Lock::AccessExclusive);
    let there =
        |validated| Probe::ConstraintThere { table: table.clone(), constraint: check.clone(), validated };

    let sql =
        subject.alter(&format!("ADD CONSTRAINT {check_sql} CHECK ({column_sql} IS NOT NULL) NOT VALID"));
    let mut add = subject.step(format!("add check {check} not valid"), sql, moment());
    add.probe = there(false);
    add.undo = subject.drops(&check)?;

    let mut validate = validated(subject, &check, Effect::taking(Lock::ShareUpdateExclusive).scanning())?;
    validate.probe = there(true);

    // Not in one statement with the DROP, which the server does first: it would then read the whole table.
    let set = set(subject, column)?;

    // The way back drops the check in any case, so there is none to put back for it.
    let sql = subject.alter(&format!("DROP CONSTRAINT {check_sql}"));
    let mut drop = subject.step(format!("drop check {check}"), sql, moment());
    drop.probe = Probe::ConstraintAbsent { table: table.clone(), constraint: check.clone() };
    Ok(vec![add, validate, set, drop])
}

/// What must come before a primary key on these columns.
pub(super) fn for_key(
    subject: &Subject<'_>,
    columns: &[String],
    names: &mut Names<'_>,
) -> Result<Vec<SafeStep>, IdentError> {
    let mut all = Vec::new();
    for column in columns {
        match subject.key_column(column) {
            KeyColumn::Ready => {}
            KeyColumn::Proved => all.push(set(subject, column)?),
            KeyColumn::Nullable => all.extend(steps(subject, column, names)?),
        }
    }
    Ok(all)
}

/// The step that makes a column NOT NULL of which a valid CHECK proves that it can be.
fn set(subject: &Subject<'_>, column: &str) -> Result<SafeStep, IdentError> {
    let (table, name) = (subject.table, QuotedIdent::new(column)?);
    let sql = subject.alter(&format!("ALTER COLUMN {name} SET NOT NULL"));
    let moment = Effect::taking(Lock::AccessExclusive);
    let mut set = subject.step(format!("set not null {table}.{column}"), sql, moment);
    set.probe = Probe::ColumnNotNull { table: table.clone(), column: column.to_owned(), not_null: true };
    set.undo = undone_by(subject.alter(&format!("ALTER COLUMN {name} DROP NOT NULL")));
    Ok(set)
}

/// The step that validates a constraint while others write.
pub(super) fn validated(
    subject: &Subject<'_>,
    constraint: &str,
    effect: Effect,
) -> Result<SafeStep, IdentError> {
    let sql = subject.alter(&format!("VALIDATE CONSTRAINT {}", QuotedIdent::new(constraint)?));
    let mut step = subject.step(format!("validate constraint {constraint}"), sql, effect);
    step.probe = Probe::ConstraintThere {
        table: subject.table.clone(),
        constraint: constraint.to_owned(),
        validated: true,
    };
    step.undo = Undo::Nothing;
    Ok(step)
}
