use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::mysql::locks::Operation as O;

use crate::{Rule, Scene, mysql};

/// An `ENUM` or `SET` whose old values are not the beginning of the new ones.
pub(crate) static RULE: Rule = Rule {
    id: "enum-values-redefined",
    code: "CF1122",
    title: "the values of an ENUM or SET change other than by new ones behind",
    why: "A row holds the number of a value, not its text. New values behind the others are an instant; a value \
          that is put between, moved or taken away makes the server copy the table (ALGORITHM=COPY) and keep \
          writers out until that is done. Rows that hold a value that is gone make it fail, or lose it where \
          sql_mode is not strict.",
    instead: "Put new values behind the old ones, and leave those that are not used any more. Else change the \
              table online, with `cofferdam alter`.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for heavy in mysql::operations(scene) {
        if !matches!(heavy.operation, O::RedefineEnum) {
            continue;
        }
        let table = heavy.table;
        findings.push(Finding {
            help: Some("put new values behind the old ones".into()),
            ..heavy.finding(
                scene,
                &RULE,
                format!("the values of an ENUM of {table} get other numbers, so all of it is copied"),
            )
        });
    }
}
