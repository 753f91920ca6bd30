use cofferdam_core::change::ConstraintKind;
use cofferdam_core::{Action, Change, Finding, Findings, Name, Severity, TableChange};

use cofferdam_dialects::postgres::locks::bounds_proved;

use crate::{Rule, Scene};

/// `ATTACH PARTITION` of a table without a matching check.
pub(crate) static RULE: Rule = Rule {
    id: "attach-partition-scan",
    code: "CF1051",
    title: "attaching a partition reads all of it while nobody can use it",
    why: "ATTACH PARTITION looks at every row of the partition under an ACCESS EXCLUSIVE lock on it, unless a \
          validated CHECK already says that its rows fit the bounds. A default partition of the parent is read as \
          well, for rows that belong into the new one.",
    instead: "ADD CONSTRAINT ... CHECK (the bounds, and the key IS NOT NULL) NOT VALID, VALIDATE it, ATTACH PARTITION, \
              then drop the check.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::AlterTable { changes, .. } = scene.action() else { return };
    for (clause, change) in changes.iter().enumerate() {
        let TableChange::AttachPartition { partition, .. } = change else { continue };
        let checked = scene.table(partition).is_some_and(|facts| bounds_proved(&scene.change().text, facts));
        if scene.is_new(partition) || checked || scene.earlier().iter().any(|c| validates(c, partition)) {
            continue;
        }
        findings.push(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(partition),
            live: scene.live(partition),
            help: Some("a validated CHECK of the bounds lets the server skip the scan".into()),
            ..scene.finding(&RULE, format!("all of {partition} is read while nobody can use it"))
        });
    }
}

/// The statement leaves the table with a validated check.
fn validates(change: &Change, table: &Name) -> bool {
    let Action::AlterTable { table: altered, changes, .. } = &change.action else { return false };
    altered == table
        && changes.iter().any(|change| match change {
            TableChange::ValidateConstraint { .. } => true,
            TableChange::AddConstraint(c) => !c.not_valid && matches!(c.kind, ConstraintKind::Check { .. }),
            _ => false,
        })
}
