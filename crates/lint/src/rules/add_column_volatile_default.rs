use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::expression::{Steadiness, steadiness};
use crate::{Rule, Scene};

/// `ADD COLUMN ... DEFAULT` with a value of its own for each row.
pub static RULE: Rule = Rule {
    id: "add-column-volatile-default",
    code: "CF1101",
    title: "a default that differs from row to row rewrites the table",
    why: "A default that is one value for all rows (a constant, now()) is kept in the catalog and costs nothing. One \
          that differs from row to row (random(), gen_random_uuid(), any function not declared otherwise) must be \
          written into each: the table and its indexes are written anew under an ACCESS EXCLUSIVE lock, and nobody \
          reads or writes until that is done.",
    instead: "Add the column without a default; then ALTER COLUMN ... SET DEFAULT, which holds for new rows; then fill \
              the old rows in batches.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["adding-field-with-default", "PG302"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddColumn { column, .. } = change else { continue };
        let Some(default) = column.default.as_deref() else { continue };
        let (calls, notes) = match steadiness(default) {
            Steadiness::Steady => continue,
            Steadiness::Volatile(name) => (name, Vec::new()),
            Steadiness::Unknown(name) => {
                let note = format!("{name}() counts as volatile unless it was declared STABLE or IMMUTABLE");
                (name, vec![note])
            }
        };
        findings.push(Finding {
            at: scene.clause(clause),
            severity: if notes.is_empty() { scene.blocking(table) } else { scene.blocking(table).min(RULE.severity) },
            live: scene.live(table),
            notes,
            help: Some("add it without a default, SET DEFAULT, then fill the old rows in batches".into()),
            ..scene.finding(
                &RULE,
                format!("the default {calls}() differs from row to row, so all of {table} is written anew"),
            )
        });
    }
}
