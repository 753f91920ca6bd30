use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD COLUMN ... UNIQUE`, `ADD COLUMN ... PRIMARY KEY`.
pub(crate) static RULE: Rule = Rule {
    id: "add-column-inline-unique-or-pk",
    code: "CF1106",
    title: "a key on a new column builds its index while nobody can use the table",
    why: "The index is built under the ACCESS EXCLUSIVE lock of ADD COLUMN: reads and writes of the table wait until \
          it is done. With a constant default every row has the same value, so it fails as soon as there are two.",
    instead: "Add the column plain; then CREATE UNIQUE INDEX CONCURRENTLY; then ADD CONSTRAINT ... USING INDEX.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["disallowed-unique-constraint"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddColumn { column, .. } = change else { continue };
        if !column.unique && !column.primary_key {
            continue;
        }
        let what = if column.primary_key { "the primary key" } else { "the unique index" };
        findings.push(scene.with_safe_sequence(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            help: Some("add the column plain, then a unique index CONCURRENTLY, then USING INDEX".into()),
            ..scene.finding(&RULE, format!("{what} on {} is built while nobody can use {table}", column.name))
        }));
    }
}
