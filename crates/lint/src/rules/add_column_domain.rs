use cofferdam_core::change::Column;
use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD COLUMN` of a domain.
pub(crate) static RULE: Rule = Rule {
    id: "add-column-domain",
    code: "CF1108",
    title: "a new column of a domain with constraints rewrites the table",
    why: "For a column of a domain that has constraints the server computes and checks a value for every row: the \
          table and its indexes are written anew under an ACCESS EXCLUSIVE lock, even without a default. Whether a \
          type is a domain only the database knows.",
    instead: "Add the column with the domain's base type, and its constraint as CHECK ... NOT VALID; then VALIDATE \
              CONSTRAINT in a transaction of its own.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddColumn { column, .. } = change else { continue };
        if column.serial() {
            continue;
        }
        // The type alone decides: defaults and generated columns have rules of their own.
        let plain = Column { ty: column.ty.clone(), ..Column::default() };
        let alone = TableChange::AddColumn { column: plain, if_not_exists: false };
        if !scene.clause_effect(table, &alone).rewrites {
            continue;
        }
        findings.push(Finding {
            at: scene.clause(clause),
            // Without constraints it is an instant; the facts do not say whether the domain has any.
            severity: scene.blocking(table).min(RULE.severity),
            live: scene.live(table),
            help: Some("use the base type and a CHECK as NOT VALID, then VALIDATE it".into()),
            ..scene.finding(
                &RULE,
                format!("{} is a domain: if it has constraints, all of {table} is written anew", column.ty),
            )
        });
    }
}
