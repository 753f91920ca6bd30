use cofferdam_core::change::ConstraintKind;
use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD EXCLUDE`.
pub(crate) static RULE: Rule = Rule {
    id: "add-exclusion",
    code: "CF1045",
    title: "adding an exclusion constraint builds its index while nobody can use the table",
    why: "ADD ... EXCLUDE builds an index and then checks every row, all under an ACCESS EXCLUSIVE lock. There is no \
          NOT VALID and no USING INDEX for it.",
    instead: "Where the table is large, make a new table with the constraint and move the rows over; else do it with \
              a lock timeout at a quiet time.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddConstraint(constraint) = change else { continue };
        if constraint.kind != ConstraintKind::Exclude {
            continue;
        }
        findings.push(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            help: Some("there is no way without the lock but a new table".into()),
            ..scene.finding(&RULE, format!("the constraint's index is built while nobody can use {table}"))
        });
    }
}
