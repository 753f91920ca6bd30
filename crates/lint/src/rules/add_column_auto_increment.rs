use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::mysql::locks::Operation as O;

use crate::{Rule, Scene, mysql};

/// `ADD COLUMN ... AUTO_INCREMENT`.
pub(crate) static RULE: Rule = Rule {
    id: "add-column-auto-increment",
    code: "CF1128",
    title: "numbering all rows keeps writers out",
    why: "Each old row gets a number, so the table is written anew, and nobody writes until that is done \
          (LOCK=SHARED). Replicas may number the rows in another order.",
    instead: "Change the table online, with `cofferdam alter`, where its rows have another key; or create a \
              table with the numbers and fill it.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for heavy in mysql::operations(scene) {
        if !matches!(heavy.operation, O::AddAutoIncrement) {
            continue;
        }
        let table = heavy.table;
        findings.push(Finding {
            help: Some("change the table online: cofferdam alter".into()),
            ..heavy.finding(
                scene,
                &RULE,
                format!("each row of {table} is numbered, and nobody writes until that is done"),
            )
        });
    }
}
