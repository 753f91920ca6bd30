//! What the rules would ask of the rows themselves, where a database is at hand.

use std::collections::BTreeSet;

use cofferdam_core::change::{Constraint, ConstraintKind, MySqlClause};
use cofferdam_core::facts::DataQuestion;
use cofferdam_core::{Action, Change, Facts, Name, TableChange};
use cofferdam_dialects::Parsed;

use crate::created;

/// The questions of a script, each once, in the order of its statements. `facts` are those of its tables; `created`
/// are tables of pending scripts before it, which hold nothing that is worth a look.
pub fn questions(parsed: &Parsed, facts: &Facts, created: &BTreeSet<Name>) -> Vec<DataQuestion> {
    let mut created = created.clone();
    let mut all = Vec::new();
    for change in &parsed.changes {
        for question in of(change) {
            let new = created.contains(&created::key(question.table()));
            if !new && !all.contains(&question) {
                all.push(question);
            }
        }
        created::follow(&change.action, Some(facts), &mut created);
    }
    all
}

fn of(change: &Change) -> Vec<DataQuestion> {
    let mut all: Vec<DataQuestion> =
        unique(change).iter().map(|(table, columns, _)| duplicates(table, columns)).collect();
    if let Action::AlterTable { table, changes, .. } = &change.action {
        all.extend(changes.iter().filter_map(|clause| match clause {
            TableChange::SetNotNull { column } => Some(nulls(table, column)),
            TableChange::MySql(MySqlClause::ModifyColumn { column }) if column.not_null => {
                Some(nulls(table, &column.name))
            }
            TableChange::AddConstraint(constraint) => of_constraint(table, constraint),
            _ => None,
        }));
    }
    all.extend(changed(change));
    all
}

/// How many rows a statement changes that says which: one that says nothing changes all.
pub(crate) fn changed(change: &Change) -> Option<DataQuestion> {
    match &change.action {
        Action::Update { table, filtered: true }
        | Action::Delete { table, filtered: true }
        | Action::Merge { table } => {
            Some(DataQuestion::Changed { table: table.clone(), statement: change.text.to_string() })
        }
        _ => None,
    }
}

/// Whether the column holds a NULL.
pub(crate) fn nulls(table: &Name, column: &str) -> DataQuestion {
    DataQuestion::Nulls { table: table.clone(), column: column.to_owned() }
}

/// Whether two rows hold the same.
pub(crate) fn duplicates(table: &Name, columns: &[String]) -> DataQuestion {
    DataQuestion::Duplicates { table: table.clone(), columns: columns.to_vec() }
}

/// What decides whether a foreign key or a NOT NULL holds for the rows that are there. One that is NOT VALID is asked
/// about, too: sooner or later it is validated.
pub(crate) fn of_constraint(table: &Name, constraint: &Constraint) -> Option<DataQuestion> {
    match &constraint.kind {
        ConstraintKind::ForeignKey { columns, parent, parent_columns } => Some(DataQuestion::Orphans {
            table: table.clone(),
            columns: columns.clone(),
            parent: parent.clone(),
            parent_columns: parent_columns.clone(),
        }),
        ConstraintKind::NotNull { column } => Some(nulls(table, column)),
        _ => None,
    }
}

/// The sets of columns that a statement makes unique, each with its table and the clause of an `ALTER TABLE` that says
/// so. Only of whole columns: what an expression or a condition leaves is not asked about.
pub(crate) fn unique(change: &Change) -> Vec<(Name, Vec<String>, Option<usize>)> {
    match &change.action {
        Action::CreateIndex(index) if index.unique && !index.partial => {
            let columns: Option<Vec<String>> = index.columns.iter().cloned().collect();
            // NULLS NOT DISTINCT asks for more than the question does; what is found is a duplicate all the same.
            columns.into_iter().map(|columns| (index.table.clone(), columns, None)).collect()
        }
        Action::AlterTable { table, changes, .. } => changes
            .iter()
            .enumerate()
            .filter_map(|(clause, change)| {
                let constraint = match change {
                    TableChange::AddConstraint(constraint) => constraint,
                    TableChange::MySql(MySqlClause::AddIndex(index)) if index.unique => {
                        let columns: Option<Vec<String>> = index.columns.iter().cloned().collect();
                        return columns.map(|columns| (table.clone(), columns, Some(clause)));
                    }
                    _ => return None,
                };
                match &constraint.kind {
                    ConstraintKind::Unique { columns, using_index: None }
                    | ConstraintKind::PrimaryKey { columns, using_index: None } => {
                        Some((table.clone(), columns.clone(), Some(clause)))
                    }
                    _ => None,
                }
            })
            .collect(),
        _ => Vec::new(),
    }
}
