use cofferdam_core::change::Column;
use cofferdam_core::{Action, Finding, Findings, Severity, Span, TableChange};
use cofferdam_dialects::mysql::Flavour;

use crate::{Rule, Scene, mysql};

/// `REFERENCES` in the definition of a column, where the server ignores it.
pub(crate) static RULE: Rule = Rule {
    id: "inline-references-ignored",
    code: "CF1132",
    title: "REFERENCES behind a column is read and forgotten",
    why: "MySQL before 9.0 takes REFERENCES in the definition of a column and makes no foreign key of it, \
          without a word. The rows are held to nothing.",
    instead: "Write it as a clause of its own: FOREIGN KEY (column) REFERENCES table (column).",
    severity: Severity::Warning,
    engines: &["mysql"],
    aliases: &["MY102"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    if !ignored(scene) {
        return;
    }
    let columns: Vec<(&Column, Span)> = match scene.action() {
        Action::CreateTable(table) => table.columns.iter().map(|c| (c, scene.name_inside(&c.name))).collect(),
        Action::AlterTable { changes, .. } => {
            let added = changes.iter().enumerate().filter_map(|(clause, change)| match change {
                TableChange::AddColumn { column, .. } => Some((column, scene.clause(clause))),
                _ => None,
            });
            added.collect()
        }
        _ => return,
    };
    for (column, at) in columns {
        let Some((parent, _)) = &column.references else { continue };
        findings.push(Finding {
            at,
            help: Some(format!(
                "write FOREIGN KEY ({}) REFERENCES {parent} (...) as a clause of its own",
                column.name
            )),
            ..scene.finding(
                &RULE,
                format!("{} is not held to {parent}: the server ignores this REFERENCES", column.name),
            )
        });
    }
}

/// The server makes no foreign key of it. MariaDB does since 10.5, which is older than all that are supported.
pub(super) fn ignored(scene: &Scene) -> bool {
    mysql::server(scene).is_some_and(|server| server.flavour == Flavour::MySql && server.version < 90_000)
}
