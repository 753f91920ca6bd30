use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `UPDATE` or `DELETE` without `WHERE`.
pub(crate) static RULE: Rule = Rule {
    id: "dml-unbounded",
    code: "CF1075",
    title: "every row of a table is changed in one statement",
    why: "An UPDATE without WHERE locks every row until the script commits, so every other writer waits; it writes the \
          whole table a second time, and leaves the first for VACUUM (MySQL, MariaDB: for purge). A DELETE without WHERE also loses all rows. \
          More often than not the WHERE was forgotten.",
    instead: "Say which rows. Where it is all of them, go through the key in batches of a few thousand, each in a \
              transaction of its own.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let (table, deletes) = match scene.action() {
        Action::Update { table, filtered: false } => (table, false),
        Action::Delete { table, filtered: false } => (table, true),
        _ => return,
    };
    if scene.is_new(table) {
        return;
    }
    let message = match deletes {
        true => format!("DELETE without WHERE loses all rows of {table}"),
        false => format!("UPDATE without WHERE locks and writes every row of {table}"),
    };
    let severity = match scene.blocking(table) {
        Severity::Info => Severity::Info,
        _ if deletes => scene.losing(table),
        blocking => blocking,
    };
    findings.push(Finding {
        severity,
        live: scene.live(table),
        help: Some("add a WHERE, or go through the key in batches".into()),
        ..scene.finding(&RULE, message)
    });
}
