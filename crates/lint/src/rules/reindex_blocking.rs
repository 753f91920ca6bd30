use cofferdam_core::change::ReindexTarget;
use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `REINDEX` without `CONCURRENTLY`.
pub(crate) static RULE: Rule = Rule {
    id: "reindex-blocking",
    code: "CF1025",
    title: "rebuilding an index blocks writes, and reads that would use it",
    why: "REINDEX locks the table against writes and the index itself against everything, so that even queries which \
          would use the index wait, until the rebuild is done.",
    instead: "REINDEX ... CONCURRENTLY, in a script of its own because it refuses a transaction. REINDEX SYSTEM has \
              no such form: do it in a maintenance window.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["require-concurrent-reindex"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::Reindex { target, name, concurrently: false } = scene.action() else { return };
    let table = name.as_ref().filter(|_| *target == ReindexTarget::Table);
    if table.is_some_and(|table| scene.is_new(table)) {
        return;
    }
    let what = match (target, name) {
        (ReindexTarget::Index, Some(name)) => format!("rebuilding {name}"),
        (ReindexTarget::Table, Some(name)) => format!("rebuilding the indexes of {name}"),
        (ReindexTarget::Schema, Some(name)) => format!("rebuilding all indexes of the schema {name}"),
        (ReindexTarget::System, _) => "rebuilding the indexes of the system catalog".into(),
        _ => "rebuilding all indexes of the database".into(),
    };
    findings.push(scene.with_safe_sequence(Finding {
        severity: table.map_or(RULE.severity, |table| scene.blocking(table)),
        live: table.and_then(|table| scene.live(table)),
        help: Some(match target {
            ReindexTarget::System => "do it in a maintenance window: it has no CONCURRENTLY".into(),
            _ => "REINDEX ... CONCURRENTLY, outside of a transaction".into(),
        }),
        ..scene.finding(&RULE, format!("{what} blocks writes, and queries that would use the index"))
    }));
}
