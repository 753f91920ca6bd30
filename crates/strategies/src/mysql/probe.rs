//! How the catalog tells whether a statement happened. Each happens as a whole or not at all.

use cofferdam_core::Name;
use cofferdam_core::change::{Action, Change, MySqlClause, TableChange};
use cofferdam_core::plan::Probe;

/// The question. What is the same when done twice is `Repeatable`; what leaves no mark, `Nothing`.
pub(super) fn probe(change: &Change) -> Probe {
    match &change.action {
        Action::CreateTable(table) if table.if_not_exists && !table.from_query => Probe::Repeatable,
        Action::CreateTable(table) if table.temporary || table.from_query => Probe::Nothing,
        Action::CreateTable(table) => {
            table.name.clone().map_or(Probe::Nothing, |relation| Probe::RelationThere { relation })
        }
        Action::AlterTable { table, changes, .. } => altered(table, changes),
        Action::CreateIndex(index) if index.if_not_exists => Probe::Repeatable,
        Action::CreateIndex(index) => match &index.name {
            Some(name) => Probe::IndexOf { table: index.table.clone(), index: name.clone(), there: true },
            None => Probe::Nothing,
        },
        Action::DropTable { if_exists: true, .. } | Action::DropView { if_exists: true, .. } => {
            Probe::Repeatable
        }
        // They go one after the other: with the last one all are gone.
        Action::DropTable { names, .. } | Action::DropView { names, .. } => {
            names.last().cloned().map_or(Probe::Nothing, |relation| Probe::RelationAbsent { relation })
        }
        Action::CreateView { or_replace: true, .. } => Probe::Repeatable,
        Action::CreateView { name, .. } => Probe::RelationThere { relation: name.clone() },
        Action::RenameTables { renames } => match renames.last() {
            // A name that is also left behind was there before.
            Some((_, to)) if !renames.iter().any(|(from, _)| from == to) => {
                Probe::RelationThere { relation: to.clone() }
            }
            _ => Probe::Nothing,
        },
        Action::CreateDatabase { name } => Probe::DatabaseThere { database: name.clone(), there: true },
        Action::DropDatabase { name, .. } => Probe::DatabaseThere { database: name.clone(), there: false },
        Action::SetSession { .. } | Action::SetRole => Probe::Session,
        Action::CreateRoutine { or_replace: true, .. }
        | Action::CreateTrigger { or_replace: true, .. }
        | Action::CreateObject { or_replace: true, .. }
        | Action::CreateObject { if_not_exists: true, .. }
        | Action::DropRoutine { if_exists: true, .. }
        | Action::DropTrigger { if_exists: true, .. }
        | Action::DropObject { if_exists: true, .. }
        | Action::Analyze
        | Action::Optimize { .. }
        | Action::Select
        | Action::Grant { .. }
        | Action::Revoke => Probe::Repeatable,
        _ => Probe::Nothing,
    }
}

/// One clause tells for all, but not one that another clause of the same statement undoes.
fn altered(table: &Name, changes: &[TableChange]) -> Probe {
    let all: Vec<Probe> = changes.iter().map(|change| clause(table, change)).collect();
    if all.iter().all(|p| *p == Probe::Repeatable) {
        return Probe::Repeatable;
    }
    let asks = |p: &&Probe| !matches!(p, Probe::Nothing | Probe::Repeatable);
    let once = |p: &&Probe| all.iter().filter(|other| about(other) == about(p)).count() == 1;
    // A name that is also left behind was there before.
    let new = |p: &&Probe| {
        let left = |name: &str| changes.iter().filter_map(left).any(|from| from.eq_ignore_ascii_case(name));
        !about(p).is_some_and(|(_, name)| left(name))
    };
    all.iter().filter(asks).filter(once).find(new).cloned().unwrap_or(Probe::Nothing)
}

/// The name that a clause gives up for another.
fn left(change: &TableChange) -> Option<&str> {
    match change {
        TableChange::RenameColumn { from, .. }
        | TableChange::MySql(
            MySqlClause::ChangeColumn { from, .. } | MySqlClause::RenameIndex { from, .. },
        ) => Some(from),
        _ => None,
    }
}

/// What a probe looks at: a column, an index or a constraint. Those of one name may be one and the same.
fn about(probe: &Probe) -> Option<(bool, &str)> {
    match probe {
        Probe::ColumnThere { column, .. } | Probe::ColumnAbsent { column, .. } => Some((true, column)),
        Probe::IndexOf { index, .. } => Some((false, index)),
        Probe::ConstraintThere { constraint, .. } | Probe::ConstraintAbsent { constraint, .. } => {
            Some((false, constraint))
        }
        _ => None,
    }
}

fn clause(table: &Name, change: &TableChange) -> Probe {
    let table = table.clone();
    let column = |column: &str| Probe::ColumnThere { table: table.clone(), column: column.into(), ty: None };
    let index = |name: &str, there| Probe::IndexOf { table: table.clone(), index: name.into(), there };
    match change {
        TableChange::AddColumn { if_not_exists: true, .. }
        | TableChange::DropColumn { if_exists: true, .. }
        | TableChange::DropConstraint { if_exists: true, .. }
        | TableChange::SetDefault { .. }
        | TableChange::DropDefault { .. } => Probe::Repeatable,
        TableChange::AddColumn { column: added, .. } => column(&added.name),
        TableChange::DropColumn { name, .. } => Probe::ColumnAbsent { table, column: name.clone() },
        TableChange::AddConstraint(constraint) => match &constraint.name {
            Some(name) => Probe::ConstraintThere { table, constraint: name.clone(), validated: true },
            None => Probe::Nothing,
        },
        TableChange::DropConstraint { name, .. } => {
            Probe::ConstraintAbsent { table, constraint: name.clone() }
        }
        TableChange::RenameColumn { to, .. } => column(to),
        TableChange::RenameTo { to } => Probe::RelationThere { relation: table.beside(to.as_str()) },
        TableChange::MySql(clause) => match clause {
            MySqlClause::AddIndex(added) if added.if_not_exists => Probe::Repeatable,
            MySqlClause::AddIndex(added) => match &added.name {
                Some(name) => index(name, true),
                None => Probe::Nothing,
            },
            MySqlClause::DropIndex { if_exists: true, .. } => Probe::Repeatable,
            MySqlClause::DropIndex { name, .. } => index(name, false),
            MySqlClause::RenameIndex { to, .. } => index(to, true),
            MySqlClause::DropPrimaryKey => index("PRIMARY", false),
            MySqlClause::ChangeColumn { from, column: to } if !from.eq_ignore_ascii_case(&to.name) => {
                column(&to.name)
            }
            // Declared anew, the same way.
            MySqlClause::ModifyColumn { .. }
            | MySqlClause::ChangeColumn { .. }
            | MySqlClause::IndexVisibility { .. }
            | MySqlClause::ColumnVisibility { .. }
            | MySqlClause::EnforceConstraint { .. }
            | MySqlClause::ConvertCharset { .. }
            | MySqlClause::Option { .. }
            | MySqlClause::Force
            | MySqlClause::OrderBy
            | MySqlClause::Keys { .. }
            | MySqlClause::Algorithm { .. }
            | MySqlClause::Lock { .. }
            | MySqlClause::Validation { .. } => Probe::Repeatable,
            MySqlClause::Partition { .. }
            | MySqlClause::Tablespace { .. }
            | MySqlClause::SystemVersioning { .. } => Probe::Nothing,
        },
        _ => Probe::Nothing,
    }
}
