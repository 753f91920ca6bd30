use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `TRUNCATE`.
pub(crate) static RULE: Rule = Rule {
    id: "truncate",
    code: "CF1074",
    title: "TRUNCATE loses all rows of a table",
    why: "The rows are gone with the commit; only a backup brings them back. Nobody reads or writes \
          meanwhile, no row triggers fire, and with CASCADE PostgreSQL empties every table that refers to this one.",
    instead: "Delete the rows that must go, by key and in batches. Allow the rule with what makes you sure as the \
              reason.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &["ban-truncate-cascade", "destructive"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::Truncate { tables, cascade } = scene.action() else { return };
    for table in tables.iter().filter(|table| !scene.is_new(table)) {
        let mut notes = Vec::new();
        if *cascade {
            notes.push(format!("CASCADE also empties every table that refers to {table}"));
        }
        findings.push(Finding {
            severity: scene.losing(table),
            live: scene.live(table),
            notes,
            help: Some("delete the rows that must go, by key and in batches".into()),
            ..scene.finding(&RULE, format!("all rows of {table} are lost"))
        });
    }
}
