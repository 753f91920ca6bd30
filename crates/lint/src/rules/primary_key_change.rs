use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::mysql::locks::Operation as O;

use crate::{Rule, Scene, mysql};

/// `ADD PRIMARY KEY` and `DROP PRIMARY KEY`.
pub(crate) static RULE: Rule = Rule {
    id: "primary-key-change",
    code: "CF1131",
    title: "changing the primary key writes the table anew",
    why: "InnoDB keeps the rows in the order of the primary key, and every other index holds its columns: a key \
          that is added or replaced writes all of it anew, and one that is dropped copies the table \
          (ALGORITHM=COPY) and keeps writers out. What followed rows by the old key - replicas, captures, caches \
          - loses them.",
    instead: "Change the table online, with `cofferdam alter`, which needs a second key that identifies rows \
              meanwhile. Drop and add in one statement, never in two.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for heavy in mysql::operations(scene) {
        if !matches!(heavy.operation, O::AddPrimaryKey | O::DropPrimaryKey | O::ReplacePrimaryKey) {
            continue;
        }
        let table = heavy.table;
        findings.push(Finding {
            help: Some("change the table online: cofferdam alter".into()),
            ..heavy.finding(
                scene,
                &RULE,
                format!("all of {table} is written anew in the order of another key"),
            )
        });
    }
}
