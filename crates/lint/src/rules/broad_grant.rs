use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `GRANT` to everybody, or on everything.
pub(crate) static RULE: Rule = Rule {
    id: "broad-grant",
    code: "CF1087",
    title: "a right is given to everybody or on everything",
    why: "PUBLIC is every role that there is or will be, of every database user. ON ALL TABLES is what is there at this \
          moment: it includes tables that nobody thought of, and leaves out the one of tomorrow.",
    instead: "Name the role and the tables; for tables to come ALTER DEFAULT PRIVILEGES.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::Grant { on_all, to_public } = scene.action() else { return };
    let message = match (on_all, to_public) {
        (_, true) => "every role gets this right, also those to come",
        (true, false) => "this right is given on everything that is there at this moment",
        (false, false) => return,
    };
    findings.push(Finding {
        help: Some("name the role and the objects".into()),
        ..scene.finding(&RULE, message)
    });
}
