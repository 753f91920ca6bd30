use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::mysql::locks::Operation as O;

use crate::{Rule, Scene, mysql};

/// `ADD COLUMN ... FIRST` or `AFTER`, where that is not an instant.
pub(crate) static RULE: Rule = Rule {
    id: "add-column-placed",
    code: "CF1127",
    title: "a column that is put between others writes the table anew",
    why: "Before MySQL 8.0.29 a new column costs nothing only as the last one; with FIRST or AFTER the table is \
          written anew, which takes long and makes replicas lag.",
    instead: "Leave FIRST and AFTER out: the order of columns matters to nothing but SELECT *.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for heavy in mysql::operations(scene) {
        if !heavy.class.rebuilds || !matches!(heavy.operation, O::AddColumnPlaced) {
            continue;
        }
        let table = heavy.table;
        findings.push(Finding {
            help: Some("leave FIRST and AFTER out".into()),
            ..heavy.finding(
                scene,
                &RULE,
                format!("all of {table} is written anew for the place of the column"),
            )
        });
    }
}
