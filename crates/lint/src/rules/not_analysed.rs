use cofferdam_core::{Action, Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// A statement that could not be read.
pub(crate) static RULE: Rule = Rule {
    id: "not-analysed",
    code: "CF1001",
    title: "a statement could not be read, so nothing is known of it",
    why: "The statement is not in the grammar that Cofferdam knows: it is newer than that, belongs to an extension, \
          or has a mistake. It is still sent to the server as it stands. No lock, no lost data and no way back are \
          known for it, so the silence of the other rules says nothing here.",
    instead: "If it is a mistake, correct it. If it is right, read the server's manual for the lock it takes, try it \
              on a copy, and allow it with that as the reason.",
    severity: Severity::Warning,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &["syntax-error"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    // A clause of MySQL that is not understood counts as the heaviest; one of PostgreSQL is understood and needs nothing.
    if let (Action::AlterTable { changes, .. }, true) = (scene.action(), scene.engine != "postgresql") {
        for (clause, change) in changes.iter().enumerate() {
            let TableChange::Other { text } = change else { continue };
            findings.push(Finding {
                at: scene.clause(clause),
                help: Some("correct it, or allow it with what you know of its lock as the reason".into()),
                ..scene.finding(&RULE, format!("this clause is not analysed: {text}"))
            });
        }
    }
    let Action::Unparsed { why } = scene.action() else { return };
    findings.push(Finding {
        notes: vec![why.clone()],
        help: Some("correct it, or allow it with what you know of its lock as the reason".into()),
        ..scene.finding(&RULE, "this statement is not analysed: it could not be read")
    });
}
