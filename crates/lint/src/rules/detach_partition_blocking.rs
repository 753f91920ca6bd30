use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene, rewrite};

/// `DETACH PARTITION` without `CONCURRENTLY`.
pub(crate) static RULE: Rule = Rule {
    id: "detach-partition-blocking",
    code: "CF1052",
    title: "detaching a partition blocks the whole partitioned table",
    why: "DETACH PARTITION takes an ACCESS EXCLUSIVE lock on the parent: the work is an instant, but the lock is \
          waited for behind every running query on any partition, and all new queries wait behind it.",
    instead: "DETACH PARTITION ... CONCURRENTLY (PostgreSQL 14 and later), in a script of its own because it refuses a \
              transaction. It is refused where the parent has a default partition.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["require-concurrent-partition-detach"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    if scene.server_major < 14 {
        return;
    }
    for (table, clause, change) in scene.alterations() {
        let TableChange::DetachPartition { partition, concurrently: false } = change else { continue };
        let text = &scene.change().text;
        let concurrent = format!("{} CONCURRENTLY", text.trim_end());
        findings.push(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            help: Some("DETACH PARTITION ... CONCURRENTLY, outside of a transaction".into()),
            fix: rewrite::instead(scene, "DETACH PARTITION ... CONCURRENTLY", &[concurrent]),
            ..scene.finding(&RULE, format!("detaching {partition} blocks all use of {table}"))
        });
    }
}
