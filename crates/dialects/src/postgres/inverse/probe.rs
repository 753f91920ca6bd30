//! How the catalog tells whether a statement happened.

use cofferdam_core::Name;
use cofferdam_core::change::{Action, Change, TableChange};
use cofferdam_core::plan::Probe;

use crate::postgres::locks::{changing_call, printed, sets_session};

/// The question that tells whether a statement happened. What is the same when done twice is `Repeatable`; what
/// the server names by itself, and what leaves no mark in the catalog, is `Nothing`.
pub fn probe(change: &Change) -> Probe {
    match &change.action {
        Action::CreateTable(table) => match &table.name {
            Some(name) if !table.temporary => Probe::RelationThere { relation: name.clone() },
            _ => Probe::Nothing,
        },
        // It happens as a whole or not at all, so one clause tells for all; but not one that is undone by another.
        Action::AlterTable { table, changes, .. } => {
            let all: Vec<Probe> = changes.iter().map(|c| clause(table, c)).collect();
            let asks = |p: &&Probe| !matches!(p, Probe::Nothing | Probe::Repeatable);
            // What has no name of its own may get that of what is dropped.
            let unnamed =
                changes.iter().any(|c| matches!(c, TableChange::AddConstraint(c) if c.name.is_none()));
            let reused = |p: &Probe| unnamed && matches!(p, Probe::ConstraintAbsent { .. });
            let first = all.iter().filter(asks).find(|p| !contradicted(p, &all) && !reused(p));
            let repeatable = all.iter().all(|p| *p == Probe::Repeatable);
            first.cloned().unwrap_or(if repeatable { Probe::Repeatable } else { Probe::Nothing })
        }
        Action::CreateIndex(index) => match &index.name {
            Some(name) => Probe::IndexValid { index: index.table.beside(name.as_str()) },
            None => Probe::Nothing,
        },
        Action::DropIndex { names, .. } => first(names, |index| Probe::IndexAbsent { index }),
        Action::DropTable { names, .. }
        | Action::DropView { names, .. }
        | Action::DropSequence { names, .. } => first(names, |relation| Probe::RelationAbsent { relation }),
        Action::RenameIndex { name, to } => Probe::RelationThere { relation: name.beside(to.as_str()) },
        Action::CreateView { or_replace: true, .. } => Probe::Repeatable,
        Action::CreateView { name, .. } | Action::CreateSequence { name, .. } => {
            Probe::RelationThere { relation: name.clone() }
        }
        Action::EnumAddValue { name, value, .. } => {
            Probe::EnumValueThere { ty: name.clone(), value: value.clone() }
        }
        Action::EnumRenameValue { name, to, .. } => {
            Probe::EnumValueThere { ty: name.clone(), value: to.clone() }
        }
        Action::CreateDatabase { name } => Probe::DatabaseThere { database: name.clone(), there: true },
        Action::DropDatabase { name, .. } => Probe::DatabaseThere { database: name.clone(), there: false },
        Action::SetSession { .. } | Action::SetRole => Probe::Session,
        Action::Select if changing_call(&change.text).is_some() => Probe::Nothing,
        Action::Select if sets_session(&change.text) => Probe::Session,
        Action::CreateRoutine { or_replace: true, .. }
        | Action::CreateTrigger { or_replace: true, .. }
        | Action::CreateSchema { if_not_exists: true, .. }
        | Action::CreateExtension { if_not_exists: true, .. }
        | Action::DropType { if_exists: true, .. }
        | Action::DropRoutine { if_exists: true, .. }
        | Action::DropTrigger { if_exists: true, .. }
        | Action::DropSchema { if_exists: true, .. }
        | Action::DropExtension { if_exists: true, .. }
        | Action::Reindex { .. }
        | Action::RefreshView { .. }
        | Action::Vacuum { .. }
        | Action::Analyze
        | Action::Cluster { .. }
        | Action::Select
        | Action::Truncate { .. }
        | Action::Grant { .. }
        | Action::Revoke
        | Action::Comment
        | Action::CopyTo { program: false }
        | Action::LockTable { .. } => Probe::Repeatable,
        _ => Probe::Nothing,
    }
}

fn first(names: &[Name], probe: impl Fn(Name) -> Probe) -> Probe {
    names.first().cloned().map_or(Probe::Nothing, probe)
}

fn clause(table: &Name, change: &TableChange) -> Probe {
    let table = table.clone();
    match change {
        TableChange::AddColumn { column, .. } => {
            Probe::ColumnThere { table, column: column.name.clone(), ty: None }
        }
        TableChange::DropColumn { name, .. } => Probe::ColumnAbsent { table, column: name.clone() },
        TableChange::AlterType { column, ty, .. } => match printed(ty) {
            Some(ty) => Probe::ColumnThere { table, column: column.clone(), ty: Some(ty) },
            None => Probe::Nothing,
        },
        TableChange::SetNotNull { column } => {
            Probe::ColumnNotNull { table, column: column.clone(), not_null: true }
        }
        TableChange::DropNotNull { column } => {
            Probe::ColumnNotNull { table, column: column.clone(), not_null: false }
        }
        TableChange::AddConstraint(constraint) => match &constraint.name {
            Some(name) => Probe::ConstraintThere {
                table,
                constraint: name.clone(),
                validated: !constraint.not_valid && !constraint.not_enforced,
            },
            None => Probe::Nothing,
        },
        TableChange::DropConstraint { name, .. } => {
            Probe::ConstraintAbsent { table, constraint: name.clone() }
        }
        TableChange::ValidateConstraint { name } => {
            Probe::ConstraintThere { table, constraint: name.clone(), validated: true }
        }
        TableChange::RenameTo { to } => Probe::RelationThere { relation: table.beside(to.as_str()) },
        TableChange::RenameColumn { to, .. } => Probe::ColumnThere { table, column: to.clone(), ty: None },
        TableChange::RenameConstraint { to, .. } => {
            Probe::ConstraintThere { table, constraint: to.clone(), validated: false }
        }
        TableChange::SetSchema { schema } => {
            Probe::RelationThere { relation: Name::qualified(schema.as_str(), table.name) }
        }
        TableChange::AttachPartition { partition, .. } => {
            Probe::PartitionOf { parent: table, partition: partition.clone(), attached: true }
        }
        TableChange::DetachPartition { partition, .. } => {
            Probe::PartitionOf { parent: table, partition: partition.clone(), attached: false }
        }
        TableChange::SetDefault { .. }
        | TableChange::DropDefault { .. }
        | TableChange::OwnerTo { .. }
        | TableChange::SetLogged { .. }
        | TableChange::SetTablespace
        | TableChange::SetAccessMethod
        | TableChange::ReplicaIdentity
        | TableChange::Triggers { .. }
        | TableChange::RowSecurity
        | TableChange::SetStatistics { .. }
        | TableChange::StorageParameters
        | TableChange::ColumnStorage { .. }
        | TableChange::ClusterOn => Probe::Repeatable,
        TableChange::DropExpression { .. }
        | TableChange::AddIdentity { .. }
        | TableChange::DropIdentity { .. }
        | TableChange::Inherit { .. }
        | TableChange::MySql(_)
        | TableChange::Other { .. } => Probe::Nothing,
    }
}

/// The same thing is dropped and added in one statement: then being absent, or there, says nothing.
fn contradicted(probe: &Probe, all: &[Probe]) -> bool {
    all.iter().any(|other| match (probe, other) {
        (Probe::ColumnAbsent { column: a, .. }, Probe::ColumnThere { column: b, .. })
        | (Probe::ColumnThere { column: a, .. }, Probe::ColumnAbsent { column: b, .. }) => a == b,
        (Probe::ConstraintAbsent { constraint: a, .. }, Probe::ConstraintThere { constraint: b, .. })
        | (Probe::ConstraintThere { constraint: a, .. }, Probe::ConstraintAbsent { constraint: b, .. }) => {
            a == b
        }
        _ => false,
    })
}
