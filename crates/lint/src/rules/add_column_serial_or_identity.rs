use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD COLUMN` of a serial type or as identity.
pub(crate) static RULE: Rule = Rule {
    id: "add-column-serial-or-identity",
    code: "CF1102",
    title: "adding a numbered column rewrites the table",
    why: "A serial or identity column gives each row its own number, so the table and its indexes are written anew \
          under an ACCESS EXCLUSIVE lock; nobody reads or writes until that is done.",
    instead: "Add a plain bigint column, make a sequence, SET DEFAULT nextval(...), fill the old rows in batches, and \
              make the column NOT NULL by way of a validated check.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddColumn { column, .. } = change else { continue };
        if !column.serial() && !column.identity {
            continue;
        }
        findings.push(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            help: Some("add a plain column, SET DEFAULT nextval(...), fill the old rows in batches".into()),
            ..scene.finding(
                &RULE,
                format!(
                    "{} numbers every row, so all of {table} is written anew while nobody can use it",
                    column.name
                ),
            )
        });
    }
}
