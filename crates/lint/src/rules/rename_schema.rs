use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// `ALTER SCHEMA ... RENAME TO`.
pub(crate) static RULE: Rule = Rule {
    id: "rename-schema",
    code: "CF1066",
    title: "renaming a schema breaks the application that runs",
    why: "From the moment of the commit every query of the running version that names the old schema fails, and so does a \
          search_path that has it: its tables are not found any more, or others of the same name are. Functions whose \
          text names it fail, too. No order of deployments avoids it.",
    instead: "Make the new schema and move what is in it piece by piece, each with a view of the old name in the old \
              schema; drop the old schema one release later.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    if !matches!(scene.action(), Action::Other { kind } if kind == "ALTER SCHEMA") {
        return;
    }
    let words: Vec<&str> = scene.change().text.split_whitespace().collect();
    let is = |place: usize, word: &str| words.get(place).is_some_and(|w| w.eq_ignore_ascii_case(word));
    let Some(rename) = (0..words.len()).find(|place| is(*place, "rename") && is(place + 1, "to")) else {
        return;
    };
    let (Some(from), Some(to)) = (words.get(rename.wrapping_sub(1)), words.get(rename + 2)) else { return };
    // One that was made in the same script is nobody's yet.
    let made = |earlier: &cofferdam_core::Change| matches!(&earlier.action, Action::CreateSchema { name, .. } if name == from.trim_matches('"'));
    if scene.earlier().iter().any(made) {
        return;
    }
    findings.push(Finding {
        help: Some("move what is in it piece by piece, with views of the old names".into()),
        ..scene.finding(&RULE, format!("queries that name the schema {from} fail once it is called {to}"))
    });
}
