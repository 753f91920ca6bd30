use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `CREATE TABLE ... PARTITION OF`.
pub(crate) static RULE: Rule = Rule {
    id: "create-partition-locks-parent",
    code: "CF1053",
    title: "making a partition in place blocks the whole partitioned table",
    why: "CREATE TABLE ... PARTITION OF takes an ACCESS EXCLUSIVE lock on the parent: the work is an instant (but for \
          a default partition, which is read), yet the lock is waited for behind every running query on any \
          partition, and all new queries wait behind it.",
    instead: "CREATE TABLE ... (LIKE parent INCLUDING ALL), then ALTER TABLE parent ATTACH PARTITION, which lets reads \
              and writes of the parent go on.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::CreateTable(table) = scene.action() else { return };
    let Some(parent) = &table.partition_of else { return };
    if scene.is_new(parent) {
        return;
    }
    let busy = scene.table(parent).is_some_and(|facts| facts.busy());
    findings.push(Finding {
        severity: if busy { Severity::Warning } else { RULE.severity },
        live: scene.live(parent),
        help: Some("CREATE TABLE ... (LIKE parent INCLUDING ALL), then ATTACH PARTITION".into()),
        ..scene.finding(&RULE, format!("this waits for, and blocks, all use of {parent}"))
    });
}
