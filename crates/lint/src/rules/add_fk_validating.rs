use cofferdam_core::change::ConstraintKind;
use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD FOREIGN KEY` without `NOT VALID`.
pub(crate) static RULE: Rule = Rule {
    id: "add-fk-validating",
    code: "CF1041",
    title: "adding a foreign key blocks writes to both tables while it is checked",
    why: "ADD FOREIGN KEY takes a SHARE ROW EXCLUSIVE lock on the table and on the one it refers to, and then looks \
          up every row. Until that is done every INSERT, UPDATE and DELETE on either of them waits.",
    instead: "ADD CONSTRAINT ... NOT VALID, which is an instant and holds for new rows at once; then VALIDATE \
              CONSTRAINT in a transaction of its own, which blocks nobody.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["adding-foreign-key-constraint", "constraint-missing-not-valid", "PG306"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddConstraint(constraint) = change else { continue };
        let ConstraintKind::ForeignKey { parent, .. } = &constraint.kind else { continue };
        if constraint.not_valid || constraint.not_enforced {
            continue;
        }
        let tables = if parent == table { table.to_string() } else { format!("{table} and {parent}") };
        findings.push(scene.with_safe_sequence(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table).max(scene.blocking_if_known(parent)),
            live: scene.live(table),
            notes: scene.live(parent).filter(|_| parent != table).into_iter().collect(),
            help: Some("NOT VALID, then VALIDATE CONSTRAINT in a transaction of its own".into()),
            ..scene.finding(&RULE, format!("checking this foreign key blocks writes to {tables}"))
        }));
    }
}
