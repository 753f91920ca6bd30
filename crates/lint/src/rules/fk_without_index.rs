use cofferdam_core::change::{ConstraintKind, CreateTable};
use cofferdam_core::{Action, Change, Finding, Findings, Name, Severity, TableChange};

use crate::{Rule, Scene};

/// A foreign key whose columns have no index.
pub(crate) static RULE: Rule = Rule {
    id: "fk-without-index",
    code: "CF1083",
    title: "a foreign key has no index on its own side",
    why: "PostgreSQL makes no index for the columns of a foreign key. Each DELETE of a parent row, and each change of \
          its key, then reads the whole table to look for children, under a lock on the parent's row.",
    instead: "Build an index that begins with the columns of the foreign key.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    match scene.action() {
        // What comes in later files is not known; most write the index beside the table.
        Action::CreateTable(created) => {
            let Some(table) = &created.name else { return };
            for columns in keys_of(created) {
                let own = leads(created, &columns);
                if !own && !scene.later().iter().any(|change| indexes(change, table, &columns)) {
                    findings.push(finding(scene, table, &columns));
                }
            }
        }
        Action::AlterTable { table, changes, .. } => {
            // Without facts nobody knows which indexes there are.
            let Some(facts) = scene.table(table) else { return };
            for (clause, change) in changes.iter().enumerate() {
                let TableChange::AddConstraint(constraint) = change else { continue };
                let ConstraintKind::ForeignKey { columns, .. } = &constraint.kind else { continue };
                let there =
                    facts.indexes.iter().any(|i| i.valid && !i.partial && i.columns.starts_with(columns));
                let made = |change: &Change| indexes(change, table, columns);
                if !there && !scene.changes.iter().any(made) {
                    findings.push(Finding { at: scene.clause(clause), ..finding(scene, table, columns) });
                }
            }
        }
        _ => {}
    }
}

fn finding(scene: &Scene, table: &Name, columns: &[String]) -> Finding {
    let columns = columns.join(", ");
    Finding {
        live: scene.live(table),
        help: Some(format!("CREATE INDEX CONCURRENTLY ON {table} ({columns})")),
        ..scene.finding(
            &RULE,
            format!("no index begins with {columns}, so deleting a parent row reads all of {table}"),
        )
    }
}

/// The columns of each foreign key of a new table.
fn keys_of(table: &CreateTable) -> Vec<Vec<String>> {
    let inline = table.columns.iter().filter(|c| c.references.is_some()).map(|c| vec![c.name.clone()]);
    let listed = table.constraints.iter().filter_map(|c| match &c.kind {
        ConstraintKind::ForeignKey { columns, .. } => Some(columns.clone()),
        _ => None,
    });
    inline.chain(listed).collect()
}

/// A key of the new table itself begins with the columns.
fn leads(table: &CreateTable, columns: &[String]) -> bool {
    let inline = table.columns.iter().any(|c| (c.primary_key || c.unique) && [c.name.clone()] == *columns);
    inline
        || table.constraints.iter().any(|c| match &c.kind {
            ConstraintKind::PrimaryKey { columns: key, .. } | ConstraintKind::Unique { columns: key, .. } => {
                key.starts_with(columns)
            }
            _ => false,
        })
}

/// The statement builds an index that begins with the columns.
fn indexes(change: &Change, table: &Name, columns: &[String]) -> bool {
    match &change.action {
        Action::CreateIndex(index) => {
            let wanted: Vec<Option<&String>> = columns.iter().map(Some).collect();
            let has: Vec<Option<&String>> = index.columns.iter().map(Option::as_ref).collect();
            index.table == *table && !index.partial && has.starts_with(&wanted)
        }
        _ => false,
    }
}
