use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `DROP CONSTRAINT`.
pub(crate) static RULE: Rule = Rule {
    id: "drop-constraint",
    code: "CF1065",
    title: "what a constraint kept out may come in",
    why: "The statement is an instant. But a version of the application that relies on the constraint may meet rows that it \
          forbade, in PostgreSQL an INSERT ... ON CONFLICT on a unique one fails at once, and it can be added again only when all rows \
          fit.",
    instead: "Deploy a version that does not rely on it first. Of a foreign key: the lock is taken on the parent, too.",
    severity: Severity::Info,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &["CD101"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::DropConstraint { name, .. } = change else { continue };
        let facts = scene.table(table);
        let known = facts.and_then(|facts| facts.constraint(name));
        // A check that helped to make a column NOT NULL has done its work; one that is replaced stays.
        let helper = scene.earlier().iter().any(|change| change.text.contains(name.as_str()))
            || scene.change().text.matches(name.as_str()).count() > 1;
        if helper || facts.is_some() && known.is_none() {
            continue;
        }
        let kind = known.map_or("constraint", |constraint| constraint.kind.as_str());
        findings.push(Finding {
            at: scene.clause(clause),
            help: Some("no deployed version may rely on it".into()),
            ..scene.finding(&RULE, format!("{table} is no longer held to its {kind} {name}"))
        });
    }
}
