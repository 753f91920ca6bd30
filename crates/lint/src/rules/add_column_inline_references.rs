use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD COLUMN ... REFERENCES`.
pub(crate) static RULE: Rule = Rule {
    id: "add-column-inline-references",
    code: "CF1107",
    title: "a foreign key on a new column locks both tables at once",
    why: "ADD COLUMN ... REFERENCES holds ACCESS EXCLUSIVE on the table and SHARE ROW EXCLUSIVE on the one it refers \
          to. Without a default that is an instant, once both locks are there. With a default every row is looked \
          up, and meanwhile nobody uses the one table or writes to the other.",
    instead: "Add the column plain; then ADD CONSTRAINT ... FOREIGN KEY ... NOT VALID; then VALIDATE CONSTRAINT in a \
              transaction of its own.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["adding-foreign-key-constraint"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddColumn { column, .. } = change else { continue };
        let Some((parent, _)) = &column.references else { continue };
        let looks_up =
            column.default.as_deref().is_some_and(|default| !default.trim().eq_ignore_ascii_case("null"));
        let (severity, message) = if looks_up {
            (
                scene.blocking(table).max(scene.blocking_if_known(parent)),
                format!("every row of {table} is looked up in {parent} while both are locked"),
            )
        } else {
            (Severity::Info, format!("this waits for locks on {table} and on {parent} at once"))
        };
        findings.push(scene.with_safe_sequence(Finding {
            at: scene.clause(clause),
            severity,
            live: scene.live(table),
            notes: scene.live(parent).filter(|_| parent != table).into_iter().collect(),
            help: Some("add the column plain, then the foreign key as NOT VALID, then VALIDATE it".into()),
            ..scene.finding(&RULE, message)
        }));
    }
}
