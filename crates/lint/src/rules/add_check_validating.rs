use cofferdam_core::change::ConstraintKind;
use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD CHECK` without `NOT VALID`.
pub(crate) static RULE: Rule = Rule {
    id: "add-check-validating",
    code: "CF1042",
    title: "adding a check reads the whole table while nobody can use it",
    why: "ADD CHECK looks at every row under an ACCESS EXCLUSIVE lock: reads and writes of the table wait until it is \
          done. It fails with SQLSTATE 23514 at the first row that does not fit.",
    instead: "ADD CONSTRAINT ... NOT VALID, which is an instant and holds for new rows at once; then VALIDATE \
              CONSTRAINT in a transaction of its own, which blocks nobody.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["constraint-missing-not-valid", "PG305"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddConstraint(constraint) = change else { continue };
        if !matches!(constraint.kind, ConstraintKind::Check { .. })
            || constraint.not_valid
            || constraint.not_enforced
        {
            continue;
        }
        findings.push(scene.with_safe_sequence(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            help: Some("NOT VALID, then VALIDATE CONSTRAINT in a transaction of its own".into()),
            ..scene.finding(&RULE, format!("this check reads all of {table} while nobody can use it"))
        }));
    }
}
