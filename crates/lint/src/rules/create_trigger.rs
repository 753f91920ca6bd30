use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `CREATE TRIGGER`.
pub(crate) static RULE: Rule = Rule {
    id: "create-trigger",
    code: "CF1055",
    title: "a trigger on a busy table",
    why: "CREATE TRIGGER takes a SHARE ROW EXCLUSIVE lock: an instant, but it waits for every writing transaction on the \
          table, and all later writes wait behind it. From then on its function is a part of every write, and an error \
          in it is an error of the application.",
    instead: "Measure the function on a copy under load first. Apply it at a quiet time, with a short lock_timeout.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::CreateTrigger { name, table, .. } = scene.action() else { return };
    if scene.is_new(table) || !scene.table(table).is_some_and(|facts| facts.busy()) {
        return;
    }
    findings.push(Finding {
        live: scene.live(table),
        help: Some("measure its function under load first".into()),
        ..scene.finding(&RULE, format!("the trigger {name} becomes a part of every write to {table}"))
    });
}
