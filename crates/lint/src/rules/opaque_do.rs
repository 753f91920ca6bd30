use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene};

/// A `DO` block.
pub(crate) static RULE: Rule = Rule {
    id: "opaque-do",
    code: "CF1002",
    title: "what a block or a prepared text does cannot be read",
    why: "A DO block is a program, and so is a text that EXECUTE runs. Which tables it locks, for how long, and what it changes is decided while it runs, \
          so no rule looks inside, and nothing can be said of how to take it back.",
    instead: "Where the block only guards a statement (IF NOT EXISTS ... THEN ALTER), write the statement itself: \
              Cofferdam records what was applied, so it does not run twice. Where it is needed, write a down script \
              for it.",
    severity: Severity::Info,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    if matches!(scene.action(), Action::Do) {
        let what = match scene.engine {
            "postgresql" => "a DO block",
            _ => "what runs here",
        };
        findings.push(Finding {
            help: Some("write its statements out where you can; write a down script where you cannot".into()),
            ..scene.finding(&RULE, format!("no rule looks inside {what}"))
        });
    }
}
