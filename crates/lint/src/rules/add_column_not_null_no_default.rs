use cofferdam_core::change::Column;
use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD COLUMN ... NOT NULL` without a default.
pub(crate) static RULE: Rule = Rule {
    id: "add-column-not-null-no-default",
    code: "CF1104",
    title: "a NOT NULL column without a default fails on a table that has rows",
    why: "The rows that are there would have NULL in the new column, so the statement fails at once with SQLSTATE \
          23502. It works in tests, where the table is empty. And the running version, which does not know the \
          column, could no longer insert.",
    instead: "Give it a constant DEFAULT, which costs nothing; or add it nullable, fill it in batches, and make it NOT \
              NULL by way of a validated check.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["adding-required-field", "MF103", "data_depend"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddColumn { column, .. } = change else { continue };
        if !(column.not_null || column.primary_key) || has_value(column) {
            continue;
        }
        let finding = Finding {
            at: scene.clause(clause),
            live: scene.live(table),
            notes: vec!["fails with SQLSTATE 23502 while there are rows".into()],
            help: Some(
                "give it a constant DEFAULT; or add it nullable, fill it, then make it NOT NULL".into(),
            ),
            ..scene.finding(
                &RULE,
                format!("{} is NOT NULL without a default, so this fails if {table} has rows", column.name),
            )
        };
        findings.push(match scene.holds_rows(table) {
            Some(true) => Finding {
                severity: Severity::Error,
                message: format!(
                    "{} is NOT NULL without a default and {table} has rows, so this fails",
                    column.name
                ),
                notes: vec!["fails at once with SQLSTATE 23502".into()],
                ..finding
            },
            Some(false) => Finding { severity: Severity::Info, ..finding },
            None => finding,
        });
    }
}

/// Old rows get a value.
fn has_value(column: &Column) -> bool {
    let default = column.default.as_deref().map(str::trim);
    default.is_some_and(|expression| !expression.eq_ignore_ascii_case("null"))
        || column.serial()
        || column.identity
        || column.generated_stored
        || column.generated_virtual
}
