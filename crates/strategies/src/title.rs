//! What a statement does, in a few words.

use cofferdam_core::change::{Action, Change, Constraint, ConstraintKind, TableChange};
use cofferdam_core::ident::Name;

/// "add column orders.note text", "create table orders", "update orders".
pub fn title(change: &Change) -> String {
    match &change.action {
        Action::CreateTable(t) => format!("create table {}", of(t.name.as_ref())),
        Action::AlterTable { table, changes, .. } => {
            let words: Vec<String> = changes.iter().map(|c| clause(table, c)).collect();
            words.join(", ")
        }
        Action::DropTable { names, .. } => format!("drop table {}", list(names)),
        Action::CreateIndex(i) => format!(
            "create {}index {}on {}",
            if i.unique { "unique " } else { "" },
            i.name.as_ref().map(|n| format!("{n} ")).unwrap_or_default(),
            i.table
        ),
        Action::DropIndex { names, .. } => format!("drop index {}", list(names)),
        Action::RenameIndex { name, to } => format!("rename index {name} to {to}"),
        Action::CreateView { name, materialized: true, .. } => format!("create materialized view {name}"),
        Action::CreateView { name, .. } => format!("create view {name}"),
        Action::DropView { names, .. } => format!("drop view {}", list(names)),
        Action::RefreshView { name, .. } => format!("refresh {name}"),
        Action::CreateSequence { name, .. } => format!("create sequence {name}"),
        Action::DropSequence { names, .. } => format!("drop sequence {}", list(names)),
        Action::CreateType { name } => format!("create type {name}"),
        Action::DropType { names, .. } => format!("drop type {}", list(names)),
        Action::EnumAddValue { name, value, .. } => format!("add value '{value}' to {name}"),
        Action::CreateDomain { name } => format!("create domain {name}"),
        Action::CreateRoutine { name, procedure, .. } => {
            format!("create {} {name}", if *procedure { "procedure" } else { "function" })
        }
        Action::CreateTrigger { name, table, .. } => format!("create trigger {name} on {table}"),
        Action::DropTrigger { name, table, .. } => format!("drop trigger {name} on {table}"),
        Action::CreatePolicy { name, table } => format!("create policy {name} on {table}"),
        Action::CreateSchema { name, .. } => format!("create schema {name}"),
        Action::DropSchema { names, .. } => format!("drop schema {}", names.join(", ")),
        Action::CreateExtension { name, .. } => format!("create extension {name}"),
        Action::Insert { table } => format!("insert into {table}"),
        Action::Update { table, .. } => format!("update {table}"),
        Action::Delete { table, .. } => format!("delete from {table}"),
        Action::Merge { table } => format!("merge into {table}"),
        Action::Truncate { tables, .. } => format!("truncate {}", list(tables)),
        Action::CopyFrom { table, .. } => format!("copy into {}", of(table.as_ref())),
        Action::Do => "run an anonymous block".into(),
        _ => opening(&change.text),
    }
}

fn clause(table: &Name, change: &TableChange) -> String {
    match change {
        TableChange::AddColumn { column, .. } => format!("add column {table}.{} {}", column.name, column.ty),
        TableChange::DropColumn { name, .. } => format!("drop column {table}.{name}"),
        TableChange::AlterType { column, ty, .. } => format!("change {table}.{column} to {ty}"),
        TableChange::SetNotNull { column } => format!("set {table}.{column} not null"),
        TableChange::DropNotNull { column } => format!("drop not null of {table}.{column}"),
        TableChange::SetDefault { column, .. } => format!("set default of {table}.{column}"),
        TableChange::DropDefault { column } => format!("drop default of {table}.{column}"),
        TableChange::AddConstraint(constraint) => format!("add {} to {table}", of_constraint(constraint)),
        TableChange::DropConstraint { name, .. } => format!("drop constraint {name} of {table}"),
        TableChange::ValidateConstraint { name } => format!("validate constraint {name} of {table}"),
        TableChange::RenameTo { to } => format!("rename {table} to {to}"),
        TableChange::RenameColumn { from, to } => format!("rename {table}.{from} to {to}"),
        TableChange::RenameConstraint { from, to } => format!("rename constraint {from} of {table} to {to}"),
        TableChange::SetSchema { schema } => format!("move {table} to schema {schema}"),
        TableChange::AttachPartition { partition, .. } => format!("attach {partition} to {table}"),
        TableChange::DetachPartition { partition, .. } => format!("detach {partition} from {table}"),
        TableChange::OwnerTo { role } => format!("give {table} to {role}"),
        _ => format!("alter table {table}"),
    }
}

fn of_constraint(constraint: &Constraint) -> String {
    let kind = match constraint.kind {
        ConstraintKind::Check { .. } => "check",
        ConstraintKind::Unique { .. } => "unique constraint",
        ConstraintKind::PrimaryKey { .. } => "primary key",
        ConstraintKind::ForeignKey { .. } => "foreign key",
        ConstraintKind::Exclude => "exclusion constraint",
        ConstraintKind::NotNull { .. } => "not null constraint",
    };
    match &constraint.name {
        Some(name) => format!("{kind} {name}"),
        None => kind.to_owned(),
    }
}

fn of(name: Option<&Name>) -> String {
    name.map(ToString::to_string).unwrap_or_default()
}

fn list(names: &[Name]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The first words of the text, for statements that need no words of their own.
fn opening(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let cut = words.iter().take(6).copied().collect::<Vec<_>>().join(" ");
    if words.len() > 6 { format!("{cut} ...") } else { cut }
}
