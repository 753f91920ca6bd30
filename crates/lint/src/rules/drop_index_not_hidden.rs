use cofferdam_core::change::MySqlClause;
use cofferdam_core::{Action, Change, Finding, Findings, Name, Severity, TableChange};

use crate::{Rule, Scene, mysql};

/// `DROP INDEX` of an index that queries may use.
pub(crate) static RULE: Rule = Rule {
    id: "drop-index-not-hidden",
    code: "CF1134",
    title: "an index is dropped that was not hidden first",
    why: "Dropping it is an instant, building it again is not. Whether a query needs it shows only when it is \
          gone.",
    instead: "Hide it first: ALTER INDEX ... INVISIBLE (MariaDB: IGNORED). Drop it when nothing became slow for \
              as long as the slowest report takes to come round.",
    severity: Severity::Info,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let word = if scene.engine == "mariadb" { "IGNORED" } else { "INVISIBLE" };
    for (table, clause, change) in scene.alterations() {
        let TableChange::MySql(MySqlClause::DropIndex { name, .. }) = change else { continue };
        // One that is replaced in the same script, or that another begins with, is seen there.
        let replaced = scene.changes.iter().any(|other| adds_index(other, table));
        let gone = scene.table(table).is_some_and(|t| !t.indexes.is_empty() && t.index(name).is_none());
        if replaced || gone {
            continue;
        }
        findings.push(Finding {
            at: scene.clause(clause),
            live: scene.live(table),
            help: Some(format!("a release before: ALTER TABLE {table} ALTER INDEX {name} {word}")),
            ..scene.finding(&RULE, format!("whether a query needs {name} shows only when it is gone"))
        });
    }
}

fn adds_index(change: &Change, table: &Name) -> bool {
    match &change.action {
        Action::CreateIndex(index) => index.table == *table,
        Action::AlterTable { table: altered, changes, .. } => {
            altered == table
                && changes.iter().any(|c| matches!(c, TableChange::MySql(MySqlClause::AddIndex(_))))
        }
        _ => false,
    }
}
