use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `DROP COLUMN` that takes indexes and constraints with it.
pub(crate) static RULE: Rule = Rule {
    id: "drop-column-with-dependents",
    code: "CF1076",
    title: "a dropped column takes indexes and constraints with it",
    why: "PostgreSQL drops every index and table constraint in which the column has a part, without a word: a unique index \
          over (tenant, mail) goes with either of them, and with it what kept duplicates out and what made queries fast.",
    instead: "Name them: drop or replace each in a statement of its own first, so that a reader sees what goes.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::DropColumn { name, .. } = change else { continue };
        let Some(facts) = scene.table(table) else { continue };
        // What is over this column alone has no meaning without it.
        let shared = |columns: &[String]| columns.contains(name) && columns.iter().any(|c| c != name);
        let said = |other: &str| scene.earlier().iter().any(|change| change.text.contains(other));
        let mut gone: Vec<String> = Vec::new();
        for constraint in facts.constraints.iter().filter(|c| shared(&c.columns)) {
            gone.push(format!("the {} {}", constraint.kind, constraint.name));
        }
        for index in facts.indexes.iter().filter(|i| shared(&i.columns)) {
            if facts.constraint(&index.name).is_none() {
                gone.push(format!("the index {}", index.name));
            }
        }
        gone.retain(|what| !said(what.rsplit(' ').next().unwrap_or_default()));
        if gone.is_empty() {
            continue;
        }
        findings.push(Finding {
            at: scene.clause(clause),
            help: Some("drop or replace them by name first".into()),
            ..scene.finding(&RULE, format!("with {name} go {}", gone.join(", ")))
        });
    }
}
