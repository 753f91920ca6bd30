use cofferdam_core::facts::DataAnswer;
use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene, questions};

/// From here on a statement that changes rows is one to think about.
const MANY: u64 = 100_000;

/// `UPDATE`, `DELETE` or `MERGE` of many rows.
pub(crate) static RULE: Rule = Rule {
    id: "dml-large",
    code: "CF1078",
    title: "very many rows are changed in one statement",
    why: "Every row that an UPDATE, DELETE or MERGE changes stays locked until the script commits, so writers of those \
          rows wait; the old versions stay until VACUUM removes them, and standbys have to take all of it at once. This \
          rule speaks only where the database was asked: the server plans the statement, without executing it, and says \
          how many rows it expects.",
    instead: "Go through the key in batches of a few thousand rows, each in a transaction of its own.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Some(question) = questions::changed(scene.change()) else { return };
    let table = question.table();
    if scene.is_new(table) || scene.written_before(table) {
        return;
    }
    let Some(DataAnswer::About(rows)) = scene.answer(&question) else { return };
    if *rows < MANY {
        return;
    }
    let what = match scene.action() {
        Action::Delete { .. } => "DELETE",
        Action::Merge { .. } => "MERGE",
        _ => "UPDATE",
    };
    findings.push(Finding {
        live: scene.live(table),
        notes: vec![format!("the server expects about {rows} rows")],
        help: Some("go through the key in batches, each in a transaction of its own".into()),
        ..scene.finding(&RULE, format!("{what} changes about {rows} rows of {table} in one statement"))
    });
}
