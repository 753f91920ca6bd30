use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `DROP TABLE`.
pub(crate) static RULE: Rule = Rule {
    id: "drop-table",
    code: "CF1071",
    title: "dropping a table loses its rows",
    why: "The rows are gone with the commit; only a backup brings them back. Queries of a running version that still \
          name the table fail. With foreign keys the tables at their other ends are locked as well.",
    instead: "First let no deployed version use the table. Then rename it, wait a release, take a backup of it, and \
              drop it. Allow the rule with what makes you sure as the reason.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &["ban-drop-table", "DS102", "destructive"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::DropTable { names, if_exists, cascade } = scene.action() else { return };
    for table in names.iter().filter(|table| !scene.is_new(table)) {
        let gone = scene.facts.and_then(|facts| facts.table(table)).is_some_and(|facts| !facts.exists);
        if gone && *if_exists {
            continue;
        }
        let mut notes = Vec::new();
        if *cascade {
            notes.push("CASCADE also drops the views and foreign keys that depend on it".to_owned());
        }
        findings.push(Finding {
            severity: scene.losing(table),
            live: scene.live(table),
            notes,
            help: Some("rename it first and drop it a release later, when nothing has missed it".into()),
            ..scene.finding(&RULE, format!("all rows of {table} are lost"))
        });
    }
}
