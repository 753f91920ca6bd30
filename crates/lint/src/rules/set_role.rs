use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `SET ROLE` and `SET SESSION AUTHORIZATION` in a script.
pub(crate) static RULE: Rule = Rule {
    id: "set-role",
    code: "CF1015",
    title: "a script changes the role that it runs as",
    why: "What a script creates belongs to the role that runs it. One that changes its role leaves objects of different \
          owners behind, and a failure between SET ROLE and RESET ROLE leaves the session as somebody else.",
    instead: "Connect as the role that is to own the objects, or say ALTER ... OWNER TO for those that differ.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::SetRole = scene.action() else { return };
    let reset = scene.change().text.trim_start().to_ascii_lowercase().starts_with("reset");
    if !reset {
        findings.push(Finding {
            help: Some("connect as that role, or change the owner afterwards".into()),
            ..scene.finding(&RULE, "what follows belongs to another role")
        });
    }
}
