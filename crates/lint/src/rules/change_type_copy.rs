use cofferdam_core::change::{Column, MySqlClause};
use cofferdam_core::{Finding, Findings, Severity, TableChange};
use cofferdam_dialects::mysql::locks::{Algorithm, Operation as O};

use crate::{Rule, Scene, mysql};

/// `MODIFY COLUMN` and `CHANGE COLUMN` with another type.
pub(crate) static RULE: Rule = Rule {
    id: "change-type-copy",
    code: "CF1121",
    title: "the table is copied for another type of a column",
    why: "The server copies the table row by row into a new one (ALGORITHM=COPY). Nobody writes until that is \
          done, replicas do the same after it and lag as long, and a second copy needs the room. A VARCHAR that \
          grows past 255 bytes is such a change on MySQL, too: the length needs a second byte. Where the old \
          type is not known, it is taken for another one.",
    instead: "Change the table online, with `cofferdam alter`. Lengthen a VARCHAR within 255 bytes, or begin \
              with more than that.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for heavy in mysql::operations(scene) {
        let changes = matches!(heavy.operation, O::ChangeType | O::LengthenVarcharPast255);
        if !changes || heavy.class.algorithm != Algorithm::Copy {
            continue;
        }
        let message = match (heavy.change.and_then(redefined), heavy.operation) {
            (Some((from, column)), O::LengthenVarcharPast255) => {
                format!(
                    "{from} may need a second byte for its length as {}, so the table is copied",
                    column.ty
                )
            }
            (Some((from, column)), _) => match scene.table(heavy.table).and_then(|t| t.column(from)) {
                Some(old) => {
                    format!("{from} was {} and becomes {}, so the table is copied", old.ty, column.ty)
                }
                None => format!("what {from} was is not known: if not {}, the table is copied", column.ty),
            },
            (None, _) => "the table is copied".to_owned(),
        };
        findings.push(Finding {
            help: Some("change the table online: cofferdam alter".into()),
            ..heavy.finding(scene, &RULE, message)
        });
    }
}

/// The column that is declared anew, and how it was called.
fn redefined(change: &TableChange) -> Option<(&str, &Column)> {
    match change {
        TableChange::MySql(MySqlClause::ModifyColumn { column }) => Some((&column.name, column)),
        TableChange::MySql(MySqlClause::ChangeColumn { from, column }) => Some((from, column)),
        _ => None,
    }
}
