use cofferdam_core::finding::{Edit, Fix};
use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::mysql::locks::asked_by_name;

use crate::{Rule, Scene, mysql};

/// An `ALTER TABLE` that could be done without blocking anybody and does not ask for it by name.
pub(crate) static RULE: Rule = Rule {
    id: "algorithm-not-asked-for",
    code: "CF1136",
    title: "the statement does not say how it may be carried out",
    why: "Without ALGORITHM and LOCK the server takes the lightest way that it has, and silently a heavier one \
          where a table is not as expected: a row version too many, a full-text index, an old format. With them \
          it refuses, and nothing is blocked.",
    instead: "Write the words behind the statement. `cofferdam lint --fix` does.",
    severity: Severity::Info,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Some(server) = mysql::server(scene) else { return };
    if mysql::operations(scene).is_empty() {
        return;
    }
    let change = scene.change();
    let Some(asked) = asked_by_name(change, scene.facts, server) else { return };
    let words = asked[change.text.len()..].trim_start_matches([',', ' ']).to_owned();
    let edit = Edit { start: change.at.end, end: change.at.end, text: asked[change.text.len()..].to_owned() };
    findings.push(Finding {
        help: Some(format!("write {words} behind it")),
        fix: Some(Fix { title: format!("ask for {words} by name"), edits: vec![edit], moved: Vec::new() }),
        ..scene.finding(
            &RULE,
            format!("{} can do this with {words}, and may silently take another way", server.flavour.name()),
        )
    });
}
