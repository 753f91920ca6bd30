use cofferdam_core::change::ConstraintKind;
use cofferdam_core::facts::DataAnswer;
use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene, questions};

/// A foreign key over rows whose parent is not there.
pub(crate) static RULE: Rule = Rule {
    id: "fk-orphans",
    code: "CF1047",
    title: "rows refer to parents that are not there",
    why: "ADD FOREIGN KEY, and VALIDATE of one that is NOT VALID, fail with SQLSTATE 23503 at the first row whose parent is \
          not there. Rows like that are common where nothing forbade them. This rule speaks only where the database was \
          asked and such a row was seen.",
    instead: "Add the key as NOT VALID, which keeps new orphans out; give the old ones a parent, or NULL, or delete them; \
              then VALIDATE.",
    severity: Severity::Error,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddConstraint(constraint) = change else { continue };
        let ConstraintKind::ForeignKey { columns, parent, .. } = &constraint.kind else { continue };
        let Some(question) = questions::of_constraint(table, constraint) else { continue };
        // What was seen may be corrected by an earlier statement.
        if scene.answer(&question) != Some(&DataAnswer::Yes) || scene.written_before(table) {
            continue;
        }
        let columns = columns.join(", ");
        findings.push(Finding {
            at: scene.clause(clause),
            live: scene.live(table),
            notes: vec!["a row without its parent was seen".into(), "fails with SQLSTATE 23503".into()],
            help: Some(format!(
                "NOT VALID first; then correct the rows whose {columns} leads nowhere, and VALIDATE"
            )),
            ..scene.finding(
                &RULE,
                format!("rows of {table} refer by {columns} to rows of {parent} that are not there"),
            )
        });
    }
}
