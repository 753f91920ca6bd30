use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `DROP NOT NULL`.
pub(crate) static RULE: Rule = Rule {
    id: "drop-not-null",
    code: "CF1063",
    title: "the application may meet NULL where there was none",
    why: "The statement itself is an instant. But the running version was written for a column that is never NULL, and \
          as soon as the new version writes the first one, the old version reads it.",
    instead: "Deploy a version that can read NULL before one that writes it.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &["ban-drop-not-null"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::DropNotNull { column } = change else { continue };
        findings.push(Finding {
            at: scene.clause(clause),
            help: Some("every deployed version must be able to read NULL there".into()),
            ..scene.finding(&RULE, format!("{table}.{column} may be NULL from now on"))
        });
    }
}
