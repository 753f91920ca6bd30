use cofferdam_core::{Action, Change, Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `RENAME TO`, `SET SCHEMA` of a table, `RENAME TABLE`.
pub(crate) static RULE: Rule = Rule {
    id: "rename-table",
    code: "CF1061",
    title: "renaming a table breaks the application that runs",
    why: "From the moment of the commit every query of the running version that names the old table fails. No order of \
          deployments avoids it: the old version needs the old name, the new one the new.",
    instead: "Rename it and make a view of the old name in the same script: simple views take writes too. Drop the \
              view one release later.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &["renaming-table", "BC101", "incompatible"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    renamed_together(scene, findings);
    for (table, clause, change) in scene.alterations() {
        let to = match change {
            TableChange::RenameTo { to } => to.clone(),
            TableChange::SetSchema { schema } => format!("{schema}.{}", table.name),
            _ => continue,
        };
        let view =
            |change: &Change| matches!(&change.action, Action::CreateView { name, .. } if name == table);
        if scene.later().iter().any(view) {
            continue;
        }
        findings.push(Finding {
            at: scene.clause(clause),
            live: scene.live(table),
            help: Some(format!("in the same script: CREATE VIEW {table} AS SELECT * FROM {to}")),
            ..scene.finding(&RULE, format!("queries that name {table} fail once it is called {to}"))
        });
    }
}

/// `RENAME TABLE a TO b, c TO a`: where another table takes the name, queries find that one.
fn renamed_together(scene: &Scene, findings: &mut Findings) {
    let Action::RenameTables { renames } = scene.action() else { return };
    for (table, to) in renames.iter().filter(|(table, _)| !scene.is_new(table)) {
        let taken = renames.iter().any(|(_, other)| other == table);
        let view =
            |change: &Change| matches!(&change.action, Action::CreateView { name, .. } if name == table);
        if taken || scene.later().iter().any(view) {
            continue;
        }
        findings.push(Finding {
            live: scene.live(table),
            help: Some(format!("in the same script: CREATE VIEW {table} AS SELECT * FROM {to}")),
            ..scene.finding(&RULE, format!("queries that name {table} fail once it is called {to}"))
        });
    }
}
