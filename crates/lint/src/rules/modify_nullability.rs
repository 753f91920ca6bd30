use cofferdam_core::change::MySqlClause;
use cofferdam_core::facts::DataAnswer;
use cofferdam_core::{Finding, Findings, Severity, TableChange};
use cofferdam_dialects::mysql::locks::Operation as O;

use crate::{Rule, Scene, mysql, questions};

/// `MODIFY COLUMN` that adds or takes away NOT NULL.
pub(crate) static RULE: Rule = Rule {
    id: "modify-nullability",
    code: "CF1124",
    title: "the table is written anew so that a column takes NULL, or does not",
    why: "Whether a column takes NULL is part of how a row is stored: the server writes the table anew within \
          the engine. Others read and write meanwhile, but it takes long, needs the room for a second table, and \
          replicas lag as long. To NOT NULL it fails at the first NULL that it meets.",
    instead: "Fill the column in batches first. On a large table change it online, with `cofferdam alter`; merge \
              it with other changes that write the table anew.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for heavy in mysql::operations(scene) {
        if !matches!(heavy.operation, O::SetNotNull | O::DropNotNull) || !heavy.class.rebuilds {
            continue;
        }
        let table = heavy.table;
        let finding = heavy.finding(scene, &RULE, format!("all of {table} is written anew"));
        let Some(column) = heavy.change.and_then(column).filter(|_| heavy.operation == O::SetNotNull) else {
            findings.push(finding);
            continue;
        };
        let seen = scene.answer(&questions::nulls(table, column)) == Some(&DataAnswer::Yes);
        let known = scene.table(table).and_then(|t| t.column(column)).and_then(|c| c.has_nulls) == Some(true);
        findings.push(if (seen || known) && !scene.written_before(table) {
            Finding {
                severity: Severity::Error,
                message: format!("{column} holds NULL, so it cannot be made NOT NULL"),
                help: Some("give these rows a value first, in batches".into()),
                ..finding
            }
        } else {
            Finding {
                help: Some("fill the column first; on a large table: cofferdam alter".into()),
                ..finding
            }
        });
    }
}

fn column(change: &TableChange) -> Option<&str> {
    match change {
        TableChange::MySql(MySqlClause::ModifyColumn { column }) => Some(&column.name),
        TableChange::MySql(MySqlClause::ChangeColumn { from, .. }) => Some(from),
        _ => None,
    }
}
