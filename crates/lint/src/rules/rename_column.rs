use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `RENAME COLUMN`.
pub(crate) static RULE: Rule = Rule {
    id: "rename-column",
    code: "CF1062",
    title: "renaming a column breaks the application that runs",
    why: "From the moment of the commit every query of the running version that names the old column fails. No order \
          of deployments avoids it: the old version needs the old name, the new one the new.",
    instead: "Add a column of the new name, keep both in sync, fill it in batches, let the application move over, and \
              drop the old one a release later. Or leave the name and map it in the application.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &["renaming-column", "BC102", "incompatible"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::RenameColumn { from, to } = change else { continue };
        findings.push(Finding {
            at: scene.clause(clause),
            live: scene.live(table),
            help: Some(format!("add {to}, move the application over, then drop {from}")),
            ..scene.finding(&RULE, format!("queries that name {table}.{from} fail once it is called {to}"))
        });
    }
}
