use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `ALTER TYPE ... RENAME VALUE`.
pub(crate) static RULE: Rule = Rule {
    id: "rename-enum-value",
    code: "CF1064",
    title: "a value of an enum gets another name under the running version",
    why: "The rename is an instant and rewrites nothing, but the version of the application that is running writes and \
          compares the old word: from then on every statement with it fails with SQLSTATE 22P02.",
    instead: "Add the new value, deploy a version that reads both and writes the new one, update the rows in batches, and \
              leave the old value where it is.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["incompatible"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::EnumRenameValue { name, from, to } = scene.action() else { return };
    let new = scene
        .earlier()
        .iter()
        .any(|change| matches!(&change.action, Action::CreateType { name: created } if created == name));
    if !new {
        findings.push(Finding {
            help: Some("add the new value beside the old one".into()),
            ..scene.finding(
                &RULE,
                format!("statements of the running version with '{from}' fail once it is '{to}'"),
            )
        });
    }
}
