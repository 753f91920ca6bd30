use cofferdam_core::change::ConstraintKind;
use cofferdam_core::facts::DataAnswer;
use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene, questions};

/// `ADD UNIQUE` that builds its index.
pub(crate) static RULE: Rule = Rule {
    id: "add-unique-constraint",
    code: "CF1043",
    title: "adding a unique constraint builds its index while nobody can use the table",
    why: "ADD UNIQUE builds a unique index under an ACCESS EXCLUSIVE lock: reads and writes of the table wait until \
          it is built. It fails with SQLSTATE 23505 at the first duplicate.",
    instead: "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT ... UNIQUE USING INDEX, which is an instant.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["disallowed-unique-constraint", "PG105", "MF101", "data_depend"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddConstraint(constraint) = change else { continue };
        let ConstraintKind::Unique { columns, using_index: None } = &constraint.kind else { continue };
        let asked = scene.answer(&questions::duplicates(table, columns));
        let columns = columns.join(", ");
        findings.push(scene.with_safe_sequence(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            notes: vec![match asked {
                Some(DataAnswer::No) => format!("no two rows with the same {columns} are there now"),
                Some(DataAnswer::NotKnown(why)) => {
                    format!("whether two rows have the same {columns} is not known: {why}; it then fails (SQLSTATE 23505)")
                }
                _ => format!("fails with SQLSTATE 23505 if two rows have the same {columns}"),
            }],
            help: Some("CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT ... UNIQUE USING INDEX".into()),
            ..scene.finding(&RULE, format!("an index over {columns} is built while nobody can use {table}"))
        }));
    }
}
