use cofferdam_core::{Action, Change, Finding, Findings, Name, Severity, TableChange};

use crate::{Rule, Scene, rewrite};

/// `VALIDATE CONSTRAINT` in the transaction that added it.
pub(crate) static RULE: Rule = Rule {
    id: "validate-same-tx",
    code: "CF1005",
    title: "a constraint is validated in the transaction that added it",
    why: "ADD CONSTRAINT ... NOT VALID takes a strong lock for an instant; VALIDATE CONSTRAINT reads the whole table \
          under a weak one. In one transaction the strong lock is held until both are done, so the application waits \
          for the whole scan: the same as without NOT VALID.",
    instead: "Validate in a script of its own, applied directly after; `cofferdam lint --fix` writes it.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::ValidateConstraint { name } = change else { continue };
        let same_statement = adds(scene.change(), table, name);
        let same_transaction =
            scene.in_transaction && scene.earlier().iter().any(|earlier| adds(earlier, table, name));
        if !same_statement && !same_transaction {
            continue;
        }
        let alone = matches!(scene.action(), Action::AlterTable { changes, .. } if changes.len() == 1);
        findings.push(Finding {
            at: scene.clause(clause),
            severity: scene.blocking(table),
            live: scene.live(table),
            help: Some("validate it in a script of its own, after this one".into()),
            fix: alone.then(|| rewrite::move_out(scene)).flatten(),
            ..scene.finding(
                &RULE,
                format!("{name} is validated while the lock of its ADD CONSTRAINT on {table} is still held"),
            )
        });
    }
}

/// The statement adds the constraint as NOT VALID.
fn adds(change: &Change, table: &Name, name: &str) -> bool {
    let Action::AlterTable { table: altered, changes, .. } = &change.action else { return false };
    altered == table
        && changes.iter().any(|change| {
            matches!(change, TableChange::AddConstraint(c) if c.not_valid && c.name.as_deref() == Some(name))
        })
}
