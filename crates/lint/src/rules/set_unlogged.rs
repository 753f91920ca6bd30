use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `SET LOGGED`, `SET UNLOGGED`.
pub(crate) static RULE: Rule = Rule {
    id: "set-unlogged",
    code: "CF1033",
    title: "SET LOGGED and SET UNLOGGED rewrite the table",
    why: "The whole table and its indexes are written anew under an ACCESS EXCLUSIVE lock; nobody reads or writes it \
          until that is done. An unlogged table is not on any replica, and is empty after a crash.",
    instead: "Make a new table with the wanted persistence and move the rows over; or do it in a maintenance window.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::SetLogged { logged } = change else { continue };
        let notes = if *logged {
            Vec::new()
        } else {
            vec![format!("unlogged, {table} is missing on replicas and is empty after a crash")]
        };
        findings.push(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            notes,
            help: Some("move the rows to a new table, or do it in a maintenance window".into()),
            ..scene.finding(&RULE, format!("this writes all of {table} anew while nobody can use it"))
        });
    }
}
