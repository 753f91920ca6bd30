use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD COLUMN ... CHECK (...)`.
pub(crate) static RULE: Rule = Rule {
    id: "add-column-inline-check",
    code: "CF1105",
    title: "a check on a new column reads the whole table while nobody can use it",
    why: "Even without a default the server looks at every row for the check, under the ACCESS EXCLUSIVE lock of ADD \
          COLUMN: reads and writes of the table wait until it is done.",
    instead: "Add the column plain; then ADD CONSTRAINT ... CHECK ... NOT VALID; then VALIDATE CONSTRAINT in a \
              transaction of its own.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddColumn { column, .. } = change else { continue };
        if column.check.is_none() {
            continue;
        }
        findings.push(scene.with_safe_sequence(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            help: Some("add the column plain, then the check as NOT VALID, then VALIDATE it".into()),
            ..scene.finding(
                &RULE,
                format!("the check on {} reads all of {table} while nobody can use it", column.name),
            )
        }));
    }
}
