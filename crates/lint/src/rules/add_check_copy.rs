use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::mysql::locks::Operation as O;

use crate::{Rule, Scene, mysql};

/// `ADD CHECK`, and `ALTER CHECK ... ENFORCED`.
pub(crate) static RULE: Rule = Rule {
    id: "add-check-copy",
    code: "CF1130",
    title: "adding a check copies the table",
    why: "The server has no way to look at the rows that are there but to copy them (ALGORITHM=COPY); nobody \
          writes until that is done. It fails at the first row that does not fit.",
    instead: "On MySQL add it NOT ENFORCED, which is an instant, and enforce the rule in the application; on a \
              large table add it online, with `cofferdam alter`. Look for rows that do not fit first.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for heavy in mysql::operations(scene) {
        if !matches!(heavy.operation, O::AddCheck | O::EnforceCheck) {
            continue;
        }
        let table = heavy.table;
        findings.push(Finding {
            help: Some("change the table online: cofferdam alter".into()),
            ..heavy.finding(scene, &RULE, format!("all of {table} is copied to look at each row"))
        });
    }
}
