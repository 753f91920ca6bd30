use cofferdam_core::change::{ConstraintKind, CreateTable};
use cofferdam_core::{Action, Change, Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// A new table without a primary key.
pub(crate) static RULE: Rule = Rule {
    id: "table-without-primary-key",
    code: "CF1082",
    title: "a table has no primary key",
    why: "Without a key a row cannot be told from its twin: logical replication of PostgreSQL refuses UPDATE and DELETE \
          on the table, a replica of MySQL reads all of it for each row that changes, online changes cannot copy it in pieces or verify the copy, and duplicates cannot be removed one by \
          one.",
    instead: "Give it a primary key now, while that costs nothing.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::CreateTable(table) = scene.action() else { return };
    // A partition has its parent's key, and of copied columns the text does not tell.
    if table.temporary || table.partition_of.is_some() || table.copies_structure || has_key(table) {
        return;
    }
    if scene.later().iter().any(|change| gives_key(change, table)) {
        return;
    }
    let severity = if table.from_query || table.unlogged { Severity::Info } else { RULE.severity };
    let name = table.name.as_ref().map_or("this table".into(), ToString::to_string);
    findings.push(Finding {
        severity,
        help: Some("give it one now, while it is empty".into()),
        ..scene.finding(&RULE, format!("{name} has no primary key"))
    });
}

fn has_key(table: &CreateTable) -> bool {
    table.columns.iter().any(|column| column.primary_key)
        || table.constraints.iter().any(|c| matches!(c.kind, ConstraintKind::PrimaryKey { .. }))
}

/// The statement gives the table its key.
fn gives_key(change: &Change, table: &CreateTable) -> bool {
    let Action::AlterTable { table: altered, changes, .. } = &change.action else { return false };
    table.name.as_ref() == Some(altered)
        && changes.iter().any(|change| match change {
            TableChange::AddConstraint(c) => matches!(c.kind, ConstraintKind::PrimaryKey { .. }),
            TableChange::AddColumn { column, .. } => column.primary_key,
            _ => false,
        })
}
