use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `SET TABLESPACE`, `SET ACCESS METHOD`.
pub(crate) static RULE: Rule = Rule {
    id: "move-storage",
    code: "CF1036",
    title: "moving a table to another tablespace or access method copies it",
    why: "The whole table is copied under an ACCESS EXCLUSIVE lock; nobody reads or writes it until that is done.",
    instead: "Use a tool that copies online (pg_repack has a tablespace option), or do it in a maintenance window.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        if !matches!(change, TableChange::SetTablespace | TableChange::SetAccessMethod) {
            continue;
        }
        findings.push(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            help: Some("copy it online, or do it in a maintenance window".into()),
            ..scene.finding(&RULE, format!("this copies all of {table} while nobody can use it"))
        });
    }
}
