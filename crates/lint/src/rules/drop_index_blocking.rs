use cofferdam_core::{Action, Change, Finding, Findings, Name, Severity};

use crate::{Rule, Scene};

/// `DROP INDEX` without `CONCURRENTLY`.
pub(crate) static RULE: Rule = Rule {
    id: "drop-index-blocking",
    code: "CF1024",
    title: "dropping an index blocks its table",
    why: "DROP INDEX takes an ACCESS EXCLUSIVE lock on the table. The work is an instant, but the lock is waited for \
          behind every running query, and all new queries wait behind it. In a script with other statements the lock \
          is held until the script ends.",
    instead: "DROP INDEX CONCURRENTLY, in a script of its own because it refuses a transaction.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["require-concurrent-index-deletion", "PG102"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::DropIndex { names, concurrently: false, .. } = scene.action() else { return };
    // Indexes that this script made on a table that it made too are nobody's.
    let old: Vec<&Name> = names.iter().filter(|name| !made_here(scene, name)).collect();
    let Some(first) = old.first() else { return };
    let table = table_of(scene, first);
    findings.push(scene.with_safe_sequence(Finding {
        severity: table.as_ref().map_or(RULE.severity, |table| scene.blocking(table)),
        live: table.as_ref().and_then(|table| scene.live(table)),
        help: Some("DROP INDEX CONCURRENTLY, outside of a transaction".into()),
        ..scene.finding(&RULE, format!("dropping {} blocks all use of its table", list(&old)))
    }));
}

fn made_here(scene: &Scene, name: &Name) -> bool {
    scene.earlier().iter().any(|Change { action, .. }| {
        matches!(action, Action::CreateIndex(index)
            if index.name.as_deref() == Some(&name.name) && scene.is_new(&index.table))
    })
}

/// The table that the facts show the index on.
fn table_of(scene: &Scene, index: &Name) -> Option<Name> {
    let (_, facts) = scene.facts?.tables.iter().find(|(_, facts)| facts.index(&index.name).is_some())?;
    facts.resolved.clone()
}

fn list(names: &[&Name]) -> String {
    names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}
