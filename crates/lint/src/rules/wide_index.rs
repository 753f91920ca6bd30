use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// An index over many columns.
pub(crate) static RULE: Rule = Rule {
    id: "wide-index",
    code: "CF1028",
    title: "an index over many columns",
    why: "Each further column makes every entry larger and lets more UPDATEs write the index anew, while queries rarely \
          use more than the first two or three of them. A plan that needs the fourth is better served by an index that \
          begins with it, or by INCLUDE.",
    instead: "Index the columns that decide which rows are read; put the others into INCLUDE.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

/// More columns than this are many.
const MANY: usize = 4;

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::CreateIndex(index) = scene.action() else { return };
    // A unique index has the columns of its key, however many they are.
    if index.unique || index.method != "btree" || index.columns.len() <= MANY {
        return;
    }
    findings.push(Finding {
        help: Some("the first columns, and INCLUDE for the rest".into()),
        ..scene.finding(&RULE, format!("this index has {} columns", index.columns.len()))
    });
}
