use cofferdam_core::change::ConstraintKind;
use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD PRIMARY KEY` that builds its index, or looks for NULLs.
pub(crate) static RULE: Rule = Rule {
    id: "add-primary-key",
    code: "CF1044",
    title: "adding a primary key builds its index while nobody can use the table",
    why: "ADD PRIMARY KEY builds a unique index under an ACCESS EXCLUSIVE lock, and where its columns may be NULL \
          reads the whole table once more. Reads and writes of the table wait until it is done.",
    instead: "Make the columns NOT NULL first (see set-not-null), CREATE UNIQUE INDEX CONCURRENTLY, then ADD \
              CONSTRAINT ... PRIMARY KEY USING INDEX, which then is an instant.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["adding-serial-primary-key-field", "adding-primary-key-constraint", "PG104", "PG304"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddConstraint(constraint) = change else { continue };
        let ConstraintKind::PrimaryKey { columns, using_index } = &constraint.kind else { continue };
        let facts = scene.table(table);
        let finding = Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            ..scene.finding(&RULE, format!("the primary key's index is built while nobody can use {table}"))
        };
        let Some(index) = using_index else {
            let help = "unique index CONCURRENTLY, columns NOT NULL, then PRIMARY KEY USING INDEX";
            findings.push(scene.with_safe_sequence(Finding {
                notes: vec![format!("fails if {} holds a NULL or a duplicate", columns.join(", "))],
                help: Some(help.into()),
                ..finding
            }));
            continue;
        };
        let covered = facts.and_then(|facts| facts.index(index)).map(|index| index.columns.as_slice());
        let nullable = covered.unwrap_or_default().iter().find(|column| {
            facts.and_then(|facts| facts.column(column)).is_some_and(|column| !column.not_null)
        });
        if let Some(column) = nullable {
            findings.push(Finding {
                message: format!("{column} may be NULL, so {table} is read while nobody can use it"),
                help: Some(format!("make {column} NOT NULL first, by way of a validated check")),
                ..finding
            });
        }
    }
}
