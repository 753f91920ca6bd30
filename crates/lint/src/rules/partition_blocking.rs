use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::mysql::locks::Operation as O;

use crate::{Rule, Scene, mysql};

/// `PARTITION BY`, `REORGANIZE PARTITION` and their kin.
pub(crate) static RULE: Rule = Rule {
    id: "partition-blocking",
    code: "CF1138",
    title: "work on partitions keeps others out of a table",
    why: "PARTITION BY and REMOVE PARTITIONING copy the whole table. ADD, REORGANIZE, COALESCE and REBUILD keep \
          writers out while rows move, EXCHANGE and TRUNCATE keep everybody out for a moment that begins when \
          the last query on the table ends. DROP and TRUNCATE lose the rows of the partition.",
    instead: "Add partitions while the last one is empty. Partition a large table online, with `cofferdam \
              alter`.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for heavy in mysql::operations(scene) {
        let table = heavy.table;
        let lost = matches!(heavy.operation, O::DropPartition | O::TruncatePartition);
        let message = match heavy.operation {
            O::PartitionBy => format!("all of {table} is copied"),
            O::AddPartition | O::ReorganizePartition | O::ExchangePartition if !heavy.class.online() => {
                format!("others are kept out of {table} meanwhile")
            }
            _ if lost => format!("the rows of these partitions of {table} are lost"),
            _ => continue,
        };
        let finding = heavy.finding(scene, &RULE, message);
        let severity = if lost { scene.losing(table) } else { finding.severity };
        findings.push(Finding {
            severity,
            help: Some("when nothing is written to it, or online: cofferdam alter".into()),
            ..finding
        });
    }
}
