use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `CREATE INDEX` without `CONCURRENTLY`.
pub(crate) static RULE: Rule = Rule {
    id: "create-index-blocking",
    code: "CF1021",
    title: "building an index blocks writes",
    why: "CREATE INDEX takes a SHARE lock: until the index is built, every INSERT, UPDATE and DELETE on the table \
          waits. Reads go on. On a million rows that is seconds, on a hundred million minutes; connection pools of \
          the application fill up long before.",
    instead: "CREATE INDEX CONCURRENTLY, in a script of its own because it refuses a transaction. It takes longer, \
              waits at its end for every transaction that is older, and blocks nobody. If it fails it leaves an invalid index, which \
              Cofferdam removes before the next try.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["require-concurrent-index-creation", "PG101", "concurrent_index"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::CreateIndex(index) = scene.action() else { return };
    let table = &index.table;
    if index.concurrently || scene.is_new(table) {
        return;
    }
    // CONCURRENTLY is refused there; create-index-on-partitioned says what to do.
    if scene.table(table).is_some_and(|facts| facts.kind == "partitioned table") {
        return;
    }
    // IF NOT EXISTS of one that is there does nothing.
    let there = |name: &String| scene.table(table).is_some_and(|facts| facts.index(name).is_some());
    if index.if_not_exists && index.name.as_ref().is_some_and(there) {
        return;
    }
    let what = if index.unique { "a unique index" } else { "an index" };
    let busy = scene.blocking(table) == Severity::Error;
    let kind = if busy { "a large or busy table" } else { "the table" };
    findings.push(scene.with_safe_sequence(Finding {
        severity: scene.blocking(table),
        live: scene.live(table),
        notes: scene.beside_writers(table).into_iter().collect(),
        help: Some("CREATE INDEX CONCURRENTLY, outside of a transaction".into()),
        ..scene.finding(&RULE, format!("building {what} on {table} blocks writes to {kind} until it is done"))
    }));
}
