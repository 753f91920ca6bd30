use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `CREATE INDEX` on a partitioned table.
pub(crate) static RULE: Rule = Rule {
    id: "create-index-on-partitioned",
    code: "CF1026",
    title: "an index on a partitioned table is built on all partitions at once",
    why: "CREATE INDEX on a partitioned table builds one index on every partition, in one transaction: writes to all \
          of them wait until the last one is done. CONCURRENTLY is refused on a partitioned table.",
    instead: "CREATE INDEX CONCURRENTLY on each partition, then CREATE INDEX on the parent: the server finds that \
              each partition has such an index already and only hangs them under the parent's, which is an instant. \
              Cofferdam does so by itself where the plan knows the partitions.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::CreateIndex(index) = scene.action() else { return };
    let table = &index.table;
    let partitioned = scene.table(table).is_some_and(|facts| facts.kind == "partitioned table");
    if !partitioned || scene.is_new(table) || (index.only && !index.concurrently) {
        return;
    }
    let (severity, message) = if index.concurrently {
        (Severity::Error, format!("CONCURRENTLY is refused on {table}, which is partitioned"))
    } else {
        (scene.blocking(table), format!("building an index on {table} blocks writes to all its partitions"))
    };
    findings.push(scene.with_safe_sequence(Finding {
        severity,
        live: scene.live(table),
        help: Some(
            "CONCURRENTLY on each partition, then on the parent, which takes those for its own".into(),
        ),
        ..scene.finding(&RULE, message)
    }));
}
