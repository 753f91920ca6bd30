use cofferdam_core::{Finding, Findings, Severity, TableChange};
use cofferdam_dialects::mysql::locks::Operation as O;

use super::inline_references_ignored;
use crate::{Rule, Scene, mysql};

/// `ADD FOREIGN KEY` with the checks on.
pub(crate) static RULE: Rule = Rule {
    id: "add-fk-copy",
    code: "CF1129",
    title: "adding a foreign key copies the table",
    why: "While foreign_key_checks is on the server copies the table row by row to look at each \
          (ALGORITHM=COPY); nobody writes until that is done, and the parent cannot be changed meanwhile. With \
          the checks off it is an instant, and nobody looks at the rows that are there.",
    instead: "Look for rows without a parent, correct them, then SET SESSION foreign_key_checks = 0, add the \
              key, and set it to 1 again.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let unchecked = |o: &mysql::Heavy| o.operation == O::AddForeignKeyUnchecked;
    for heavy in mysql::operations(scene) {
        let table = heavy.table;
        if heavy.operation == O::AddForeignKey && honoured(scene, &heavy) {
            findings.push(Finding {
                help: Some("look for rows without a parent, then add it with foreign_key_checks = 0".into()),
                ..heavy.finding(scene, &RULE, format!("all of {table} is copied to look at each row"))
            });
        } else if unchecked(&heavy) {
            findings.push(Finding {
                severity: Severity::Info,
                help: Some("see that no row is without its parent: the server does not look".into()),
                ..heavy.finding(
                    scene,
                    &RULE,
                    format!("the key is added to {table} without a look at its rows"),
                )
            });
        }
    }
}

/// REFERENCES behind a column is a key on some servers only; the others have a rule of their own for it.
fn honoured(scene: &Scene, heavy: &mysql::Heavy) -> bool {
    !matches!(heavy.change, Some(TableChange::AddColumn { .. })) || !inline_references_ignored::ignored(scene)
}
