use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `ALTER DOMAIN ... ADD CONSTRAINT` without `NOT VALID`.
pub(crate) static RULE: Rule = Rule {
    id: "domain-constraint",
    code: "CF1046",
    title: "a constraint on a domain reads every table that uses it",
    why: "ALTER DOMAIN ... ADD CONSTRAINT takes a SHARE lock on every table that has a column of the domain and reads \
          all of them: writes to all these tables wait until the last one is read.",
    instead: "ALTER DOMAIN ... ADD CONSTRAINT ... NOT VALID, then ALTER DOMAIN ... VALIDATE CONSTRAINT.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &["ban-alter-domain-with-add-constraint"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::DomainAddConstraint { name, not_valid: false } = scene.action() else { return };
    let new = scene
        .earlier()
        .iter()
        .any(|change| matches!(&change.action, Action::CreateDomain { name: created } if created == name));
    if !new {
        findings.push(Finding {
            help: Some("NOT VALID first, then ALTER DOMAIN ... VALIDATE CONSTRAINT".into()),
            ..scene.finding(
                &RULE,
                format!("writes to every table with a column of {name} wait until all are read"),
            )
        });
    }
}
