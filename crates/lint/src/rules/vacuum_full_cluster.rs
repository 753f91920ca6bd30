use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `VACUUM FULL`, `CLUSTER`.
pub(crate) static RULE: Rule = Rule {
    id: "vacuum-full-cluster",
    code: "CF1034",
    title: "VACUUM FULL and CLUSTER rewrite the table",
    why: "The whole table and its indexes are written anew under an ACCESS EXCLUSIVE lock; nobody reads or writes it \
          until that is done, and it needs as much free disk again. Without a table's name every table of the \
          database has its turn.",
    instead: "Plain VACUUM makes the space usable again without blocking. To give it back to the disk use pg_repack, \
              or a maintenance window.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["prefer-repack"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let what = match scene.action() {
        Action::Vacuum { full: true, .. } => "VACUUM FULL",
        Action::Cluster { .. } => "CLUSTER",
        _ => return,
    };
    let tables = scene.action().tables();
    if tables.is_empty() {
        findings.push(Finding {
            help: Some("name the tables, and do it in a maintenance window".into()),
            ..scene.finding(&RULE, format!("{what} writes every table anew, each while nobody can use it"))
        });
    }
    for table in tables.into_iter().filter(|table| !scene.is_new(table)) {
        findings.push(Finding {
            severity: scene.blocking(table),
            live: scene.live(table),
            help: Some("plain VACUUM, or pg_repack, or a maintenance window".into()),
            ..scene.finding(&RULE, format!("{what} writes all of {table} anew while nobody can use it"))
        });
    }
}
