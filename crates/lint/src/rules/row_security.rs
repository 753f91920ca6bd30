use cofferdam_core::{Action, Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// Row level security that is switched on or off.
pub(crate) static RULE: Rule = Rule {
    id: "row-security",
    code: "CF1056",
    title: "row level security changes which rows the application sees",
    why: "With ROW LEVEL SECURITY switched on and no policy that fits, a role sees no rows and gets no error: to the \
          application the table is empty. Switched off, every role sees all rows. Both take effect at once, for the \
          version that is running.",
    instead: "Create the policies in the same transaction, before ENABLE, and try them with SET ROLE as the application's \
              role.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        if !matches!(change, TableChange::RowSecurity) {
            continue;
        }
        let policy =
            |action: &Action| matches!(action, Action::CreatePolicy { table: of, .. } if of == table);
        if scene.earlier().iter().any(|change| policy(&change.action)) {
            continue;
        }
        findings.push(Finding {
            at: scene.clause(clause),
            help: Some("CREATE POLICY before it, in the same script".into()),
            ..scene.finding(&RULE, format!("which rows of {table} a role sees changes at once"))
        });
    }
}
