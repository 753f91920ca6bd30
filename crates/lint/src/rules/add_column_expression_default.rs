use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::mysql::locks::Operation as O;

use crate::{Rule, Scene, mysql};

/// `ADD COLUMN ... DEFAULT (expression)`.
pub(crate) static RULE: Rule = Rule {
    id: "add-column-expression-default",
    code: "CF1125",
    title: "a new column whose default is computed copies the table",
    why: "Each row gets a value of its own, so the server copies the table (ALGORITHM=COPY) and keeps writers \
          out until that is done. MySQL takes also (5) for an expression. With a binary log it refuses functions \
          such as UUID() (error 1674), because replicas would compute other values.",
    instead: "Add the column without a default, give it the default for new rows with ALTER COLUMN ... SET \
              DEFAULT, and fill the old rows in batches.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for heavy in mysql::operations(scene) {
        if !matches!(heavy.operation, O::AddExpressionDefault) {
            continue;
        }
        let table = heavy.table;
        findings.push(Finding {
            help: Some("add it without the default, set the default, and fill old rows in batches".into()),
            ..heavy.finding(
                scene,
                &RULE,
                format!("each row of {table} gets a value of its own, so all of it is copied"),
            )
        });
    }
}
