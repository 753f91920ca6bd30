use cofferdam_core::change::ConstraintKind;
use cofferdam_core::{Action, Finding, Findings, Severity, TableChange};

use crate::naming::Kind;
use crate::{Rule, Scene};

/// A name that is not as a team wants its names.
pub(crate) static RULE: Rule = Rule {
    id: "naming",
    code: "CF1089",
    title: "a name is not as the team writes its names",
    why: "Nothing breaks. A team wrote down how its tables, columns, indexes and constraints are called (lint.naming of \
          cofferdam.yaml, or the block naming of an atlas.hcl), and this name is other. Renaming it later breaks the \
          application that runs.",
    instead: "Give it a name that fits, before anybody uses it.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    if scene.naming.is_empty() {
        return;
    }
    for (kind, name) in named(scene.action()) {
        // What is said of a kind counts more than what is said of all.
        let own = scene.naming.iter().find(|convention| convention.kind == Some(kind));
        let any = || scene.naming.iter().find(|convention| convention.kind.is_none());
        let Some(convention) = own.or_else(any).filter(|c| !c.pattern.is_match(name)) else { continue };
        let pattern = convention.pattern.as_str();
        findings.push(Finding {
            at: scene.word(name),
            help: convention.message.clone(),
            ..scene.finding(&RULE, format!("the {} {name} does not fit {pattern}", kind.word()))
        });
    }
}

/// The names that a statement gives.
fn named(action: &Action) -> Vec<(Kind, &str)> {
    let constraint = |constraint: &'_ cofferdam_core::change::Constraint| match &constraint.kind {
        ConstraintKind::ForeignKey { .. } => Kind::ForeignKey,
        ConstraintKind::Check { .. } => Kind::Check,
        ConstraintKind::PrimaryKey { .. } => Kind::PrimaryKey,
        _ => Kind::Index,
    };
    match action {
        Action::CreateTable(table) => {
            let own = table.name.iter().map(|name| (Kind::Table, name.name.as_str()));
            let columns = table.columns.iter().map(|column| (Kind::Column, column.name.as_str()));
            let constraints =
                table.constraints.iter().filter_map(|c| c.name.as_deref().map(|name| (constraint(c), name)));
            own.chain(columns).chain(constraints).collect()
        }
        Action::CreateIndex(index) => index.name.iter().map(|name| (Kind::Index, name.as_str())).collect(),
        Action::CreateSchema { name, .. } => vec![(Kind::Schema, name.as_str())],
        Action::AlterTable { changes, .. } => changes
            .iter()
            .filter_map(|change| match change {
                TableChange::AddColumn { column, .. } => Some((Kind::Column, column.name.as_str())),
                TableChange::AddConstraint(c) => c.name.as_deref().map(|name| (constraint(c), name)),
                TableChange::RenameTo { to } => Some((Kind::Table, to.as_str())),
                TableChange::RenameColumn { to, .. } => Some((Kind::Column, to.as_str())),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
