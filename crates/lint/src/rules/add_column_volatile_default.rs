use cofferdam_core::change::Column;
use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD COLUMN ... DEFAULT` with a value of its own for each row.
pub(crate) static RULE: Rule = Rule {
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

/// Functions that surely differ from row to row. Of a function that is not here nothing is known, and it counts as
/// volatile unless it was declared otherwise.
const SURELY: &[&str] =
    &["random", "uuid", "clock_timestamp", "timeofday", "nextval", "gen_random_bytes", "gen_salt"];

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddColumn { column, .. } = change else { continue };
        let Some(default) = column.default.as_deref() else { continue };
        // The default alone decides: serial types, identity and domains have rules of their own.
        let plain = Column { default: column.default.clone(), ty: "text".into(), ..Column::default() };
        let alone = TableChange::AddColumn { column: plain, if_not_exists: false };
        if !scene.clause_effect(table, &alone).rewrites {
            continue;
        }
        let sure = SURELY.iter().any(|name| default.to_ascii_lowercase().contains(name));
        let (severity, notes) = if sure {
            (scene.blocking(table), Vec::new())
        } else {
            let note =
                format!("{default} calls a function that counts as volatile unless it was declared STABLE");
            (scene.blocking(table).min(RULE.severity), vec![note])
        };
        findings.push(Finding {
            at: scene.clause(clause),
            severity,
            live: scene.live(table),
            notes,
            help: Some("add it without a default, SET DEFAULT, then fill the old rows in batches".into()),
            ..scene.finding(
                &RULE,
                format!("the default {default} differs from row to row, so all of {table} is written anew"),
            )
        });
    }
}
