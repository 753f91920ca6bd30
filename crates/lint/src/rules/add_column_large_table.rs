use cofferdam_core::{Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `ADD COLUMN` on a table that is large or busy.
pub(crate) static RULE: Rule = Rule {
    id: "add-column-large-table",
    code: "CF1109",
    title: "a column is added to a large or busy table",
    why: "A nullable column, or one with a constant default, is an instant. But its ACCESS EXCLUSIVE lock is waited for \
          behind every query on the table that is running, and everybody who comes later waits behind it: on a table \
          that is always in use one long query makes an instant into an outage. Cofferdam asks for the lock for a \
          short time only, and tries again.",
    instead: "Apply it with Cofferdam, or set a short lock_timeout and repeat; end long queries first; never put long work \
              into the same transaction.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for (table, clause, change) in scene.alterations() {
        let TableChange::AddColumn { column, .. } = change else { continue };
        let Some(facts) = scene.table(table).filter(|facts| facts.large() || facts.busy()) else { continue };
        // What takes long has a rule of its own.
        let effect = scene.clause_effect(table, change);
        if effect.rewrites || effect.scans {
            continue;
        }
        let kind = match (facts.large(), facts.busy()) {
            (true, true) => "large and busy",
            (true, false) => "large",
            _ => "busy",
        };
        findings.push(Finding {
            at: scene.clause(clause),
            live: scene.live(table),
            help: Some(
                "see that no long query runs on it; apply asks for the lock for a short time only".into(),
            ),
            ..scene.finding(
                &RULE,
                format!("{} is added to a {kind} table: an instant, once the lock is got", column.name),
            )
        });
    }
}
