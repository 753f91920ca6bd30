use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// A new value of an enum is used in the transaction that added it.
pub(crate) static RULE: Rule = Rule {
    id: "enum-value-used-in-tx",
    code: "CF1091",
    title: "a new enum value is used in the transaction that adds it",
    why: "A value that ALTER TYPE ... ADD VALUE adds cannot be used before its transaction has committed: the server \
          stops at its first use with SQLSTATE 55P04 and nothing is applied.",
    instead: "Add the value in a script of its own, and use it in the next one.",
    severity: Severity::Error,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::EnumAddValue { name, value, .. } = scene.action() else { return };
    let made_here = scene
        .earlier()
        .iter()
        .any(|change| matches!(&change.action, Action::CreateType { name: created } if created == name));
    if !scene.in_transaction || made_here {
        return;
    }
    let literal = format!("'{}'", value.replace('\'', "''"));
    let Some(user) =
        scene.later().iter().find(|change| uses(&change.action) && change.text.contains(&literal))
    else {
        return;
    };
    findings.push(Finding {
        at: user.at,
        notes: vec!["fails with SQLSTATE 55P04".into()],
        help: Some("add the value in a script of its own, before this one".into()),
        ..scene.finding(
            &RULE,
            format!("{literal} of {name} is used before the transaction that adds it has committed"),
        )
    });
}

/// Statements in which a literal is read as a value at once. Another enum may have the value too; that is rare
/// enough, and an allow away.
fn uses(action: &Action) -> bool {
    matches!(
        action,
        Action::Insert { .. }
            | Action::Update { .. }
            | Action::Delete { .. }
            | Action::Merge { .. }
            | Action::AlterTable { .. }
            | Action::CreateTable(_)
            | Action::CreateIndex(_)
            | Action::Select
    )
}
