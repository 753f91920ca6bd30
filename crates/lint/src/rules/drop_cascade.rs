use cofferdam_core::{Action, Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// `DROP ... CASCADE`.
pub(crate) static RULE: Rule = Rule {
    id: "drop-cascade",
    code: "CF1077",
    title: "CASCADE drops what is not named",
    why: "CASCADE drops everything that depends on what is dropped: views, foreign keys of other tables, functions, columns \
          of a type. What that is depends on the database, so that it may be nothing in a test and a report's views in \
          production.",
    instead: "Leave CASCADE out: the statement then fails and lists what depends. Drop that by name, or keep it.",
    severity: Severity::Warning,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let cascades = match scene.action() {
        Action::DropTable { cascade, names, .. } => *cascade && !names.iter().all(|name| scene.is_new(name)),
        Action::DropView { cascade, .. }
        | Action::DropIndex { cascade, .. }
        | Action::DropSequence { cascade, .. }
        | Action::DropType { cascade, .. }
        | Action::DropSchema { cascade, .. } => *cascade,
        Action::AlterTable { table, changes, .. } => {
            let cascades = |change: &TableChange| {
                matches!(
                    change,
                    TableChange::DropColumn { cascade: true, .. }
                        | TableChange::DropConstraint { cascade: true, .. }
                )
            };
            !scene.is_new(table) && changes.iter().any(cascades)
        }
        _ => false,
    };
    if cascades {
        findings.push(Finding {
            help: Some("leave CASCADE out, and see what the server lists".into()),
            ..scene.finding(&RULE, "CASCADE drops what depends on it, unnamed")
        });
    }
}
