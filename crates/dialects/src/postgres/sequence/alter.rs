//! `ALTER TABLE`: the clauses that would hold others up go their own way, the others stay together.

use cofferdam_core::change::{Action, Change, Span, TableChange};
use cofferdam_core::ident::IdentError;
use cofferdam_core::plan::{Act, Probe, Undo};
use cofferdam_core::{Facts, Name, QuotedIdent};

use super::super::locks::{self, Effect};
use super::names::Names;
use super::{SafeStep, column, constraint, is_new, is_partitioned, known, not_null, replace, text};
use crate::postgres::inverse;

/// The table that is altered.
pub(super) struct Subject<'a> {
    pub(super) table: &'a Name,
    pub(super) facts: &'a Facts,
    pub(super) partitioned: bool,
    /// Its columns with those that the statement adds; `None`: not known.
    pub(super) columns: Option<Vec<String>>,
    /// Columns that the statement adds as NOT NULL.
    new_not_null: Vec<String>,
    /// Columns that the statement makes NOT NULL by a clause of its own.
    set_not_null: Vec<String>,
    /// `ALTER TABLE IF EXISTS ONLY "s"."t"`, as far as written.
    head: String,
}

impl Subject<'_> {
    /// A whole `ALTER TABLE` of one clause.
    pub(super) fn alter(&self, clause: &str) -> String {
        format!("{} {clause}", self.head)
    }

    /// The server can tell without looking that no row holds NULL there.
    pub(super) fn not_null(&self, column: &str) -> bool {
        self.new_not_null.iter().any(|c| c == column)
            || self.facts.table(self.table).is_some_and(|t| known::proves_not_null(t, column))
    }

    /// How much it takes until a primary key may stand on the column.
    pub(super) fn key_column(&self, column: &str) -> KeyColumn {
        let known = self.facts.table(self.table).and_then(|t| t.column(column));
        let set = self.new_not_null.iter().chain(&self.set_not_null).any(|c| c == column);
        match (set, self.not_null(column)) {
            (true, _) => KeyColumn::Ready,
            (false, true) if known.is_some_and(|c| c.not_null) => KeyColumn::Ready,
            (false, true) => KeyColumn::Proved,
            (false, false) => KeyColumn::Nullable,
        }
    }

    /// A step that is one statement in a transaction.
    pub(super) fn step(&self, title: String, sql: String, effect: Effect) -> SafeStep {
        SafeStep {
            title,
            act: Act::sql(sql),
            probe: Probe::Nothing,
            undo: Undo::Nothing,
            atomic: true,
            effect,
        }
    }

    /// The undo that drops a constraint.
    pub(super) fn drops(&self, constraint: &str) -> Result<Undo, IdentError> {
        let name = QuotedIdent::new(constraint)?;
        Ok(super::undone_by(self.alter(&format!("DROP CONSTRAINT IF EXISTS {name}"))))
    }
}

/// A column on which a primary key is to stand.
pub(super) enum KeyColumn {
    /// It is NOT NULL, or will be before the key.
    Ready,
    /// A CHECK proves that it could be.
    Proved,
    /// Every row must be looked at.
    Nullable,
}

/// Clauses that stay as they are, in one statement.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) texts: Vec<String>,
    pub(super) changes: Vec<TableChange>,
}

impl Kept {
    fn push(&mut self, text: &str, change: &TableChange) {
        self.texts.push(text.to_owned());
        self.changes.push(change.clone());
    }
}

/// The server does the clauses of one statement in an order of its own: it drops, changes types, adds columns,
/// makes them NOT NULL, adds keys, then other constraints, then the rest. So does the sequence.
#[derive(Default)]
pub(super) struct Sorted {
    pub(super) before: Kept,
    not_null: Vec<SafeStep>,
    pub(super) keys: Vec<SafeStep>,
    pub(super) others: Vec<SafeStep>,
    after: Kept,
}

pub(super) fn alter(
    sql: &str,
    table: &Name,
    if_exists: bool,
    changes: &[TableChange],
    facts: &Facts,
) -> Option<Vec<SafeStep>> {
    let kind = facts.table(table).map(|t| t.kind.as_str()).unwrap_or_default();
    if is_new(table, facts) || matches!(kind, "view" | "materialized view" | "foreign table") {
        return None;
    }
    let cut = text::alter(sql).filter(|cut| cut.clauses.len() == changes.len())?;
    let if_exists = if if_exists { "IF EXISTS " } else { "" };
    let only = if cut.only { "ONLY " } else { "" };
    let subject = Subject {
        table,
        facts,
        partitioned: is_partitioned(table, facts),
        columns: columns(table, changes, facts),
        new_not_null: new_not_null(changes),
        set_not_null: set_not_null(changes),
        head: format!("ALTER TABLE {if_exists}{only}{}", table.to_sql().ok()?),
    };
    let mut names = Names::around(table, facts);
    for change in changes {
        match change {
            TableChange::DropConstraint { name, .. } => names.release(name),
            TableChange::AddConstraint(constraint) => constraint.name.iter().for_each(|n| names.take(n)),
            _ => {}
        }
    }
    let sorted = sort(&subject, changes, &cut.clauses, &mut names)?;
    if sorted.not_null.is_empty() && sorted.keys.is_empty() && sorted.others.is_empty() {
        return None;
    }
    let sorted = replace::together(&subject, sorted)?;
    let mut steps: Vec<SafeStep> = kept(&subject, sorted.before).into_iter().collect();
    steps.extend(sorted.not_null.into_iter().chain(sorted.keys).chain(sorted.others));
    steps.extend(kept(&subject, sorted.after));
    Some(steps)
}

fn set_not_null(changes: &[TableChange]) -> Vec<String> {
    let set = changes.iter().filter_map(|c| match c {
        TableChange::SetNotNull { column } => Some(column.clone()),
        _ => None,
    });
    set.collect()
}

fn new_not_null(changes: &[TableChange]) -> Vec<String> {
    let added = changes.iter().filter_map(|c| match c {
        TableChange::AddColumn { column, .. } => Some(column),
        _ => None,
    });
    added.filter(|c| c.not_null || c.identity || c.serial()).map(|c| c.name.clone()).collect()
}

/// The columns of the table and those that the statement adds.
fn columns(table: &Name, changes: &[TableChange], facts: &Facts) -> Option<Vec<String>> {
    let known = facts.table(table).filter(|t| t.exists)?;
    let added = changes.iter().filter_map(|c| match c {
        TableChange::AddColumn { column, .. } => Some(column.name.clone()),
        _ => None,
    });
    Some(known.columns.iter().map(|c| c.name.clone()).chain(added).collect())
}

fn sort(
    subject: &Subject<'_>,
    changes: &[TableChange],
    clauses: &[&str],
    names: &mut Names<'_>,
) -> Option<Sorted> {
    let mut sorted = Sorted::default();
    for (change, clause) in changes.iter().zip(clauses) {
        match change {
            TableChange::SetNotNull { column } if !subject.not_null(column) => {
                sorted.not_null.extend(not_null::steps(subject, column, names).ok()?);
            }
            TableChange::AddConstraint(constraint) => {
                match constraint::steps(subject, constraint, names).ok()? {
                    Some(steps) if constraint::is_key(constraint) => sorted.keys.extend(steps),
                    Some(steps) => sorted.others.extend(steps),
                    None => sorted.after.push(clause, change),
                }
            }
            TableChange::AddColumn { column, if_not_exists } => {
                let exists = subject.facts.table(subject.table).map(|t| t.column(&column.name).is_some());
                // It is skipped together with its constraints where the column is there already.
                let skipped = *if_not_exists && exists != Some(false);
                let split = (!skipped).then(|| column::split(subject, column, clause)).flatten();
                let Some(split) = split else {
                    sorted.before.push(clause, change);
                    continue;
                };
                let plain = TableChange::AddColumn { column: split.column, if_not_exists: *if_not_exists };
                sorted.before.push(&split.clause, &plain);
                for constraint in split.constraints {
                    let steps = constraint::steps(subject, &constraint, names).ok()??;
                    let list =
                        if constraint::is_key(&constraint) { &mut sorted.keys } else { &mut sorted.others };
                    list.extend(steps);
                }
            }
            // These may name an index or a constraint that the statement adds.
            TableChange::ValidateConstraint { .. }
            | TableChange::ClusterOn
            | TableChange::ReplicaIdentity
            | TableChange::AttachPartition { .. }
            | TableChange::Other { .. } => sorted.after.push(clause, change),
            _ => sorted.before.push(clause, change),
        }
    }
    Some(sorted)
}

/// The statement of the clauses that stay.
fn kept(subject: &Subject<'_>, kept: Kept) -> Option<SafeStep> {
    if kept.changes.is_empty() {
        return None;
    }
    let sql = subject.alter(&kept.texts.join(", "));
    let titles: Vec<String> = kept.changes.iter().map(|c| title(subject.table, c)).collect();
    let change = Change {
        text: sql.as_str().into(),
        at: Span::default(),
        copy_rows: None,
        comments: Vec::new(),
        action: Action::AlterTable { table: subject.table.clone(), if_exists: false, changes: kept.changes },
    };
    Some(SafeStep {
        title: titles.join(", "),
        act: Act::sql(sql),
        probe: inverse::probe(&change),
        undo: inverse::undo(&change, subject.facts),
        atomic: true,
        effect: locks::effect(&change, Some(subject.facts)),
    })
}

fn title(table: &Name, change: &TableChange) -> String {
    match change {
        TableChange::AddColumn { column, .. } => format!("add column {table}.{}", column.name),
        TableChange::DropColumn { name, .. } => format!("drop column {table}.{name}"),
        TableChange::AlterType { column, ty, .. } => format!("change type of {table}.{column} to {ty}"),
        TableChange::SetNotNull { column } => format!("set not null {table}.{column}"),
        TableChange::DropNotNull { column } => format!("drop not null {table}.{column}"),
        TableChange::SetDefault { column, .. } => format!("set default of {table}.{column}"),
        TableChange::DropDefault { column } => format!("drop default of {table}.{column}"),
        TableChange::AddConstraint(constraint) => match &constraint.name {
            Some(name) => format!("add constraint {name}"),
            None => format!("add a constraint to {table}"),
        },
        TableChange::DropConstraint { name, .. } => format!("drop constraint {name}"),
        TableChange::ValidateConstraint { name } => format!("validate constraint {name}"),
        _ => format!("alter table {table}"),
    }
}
