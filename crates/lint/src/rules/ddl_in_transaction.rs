use crate::{Rule, Scene, mysql};
use cofferdam_core::{Action, Finding, Findings, Severity};

/// DDL between `BEGIN` and `COMMIT`.
pub(crate) static RULE: Rule = Rule {
    id: "ddl-in-transaction",
    code: "CF1139",
    title: "a statement commits the transaction that it stands in",
    why: "On MySQL and MariaDB a statement that changes a definition commits what was done before it, and cannot \
          be taken back itself. Between BEGIN and COMMIT this looks as if all of it were taken back together \
          when something fails: it is not.",
    instead: "Take BEGIN and COMMIT away from it. Put the statements that change rows into a transaction of \
              their own.",
    severity: Severity::Error,
    engines: mysql::BOTH,
    aliases: &["implicit-commit"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    if !scene.in_transaction || !commits(scene.action()) {
        return;
    }
    findings.push(Finding {
        help: Some("take BEGIN and COMMIT away from it".into()),
        ..scene
            .finding(&RULE, "this commits what the transaction did before it, and is not taken back with it")
    });
}

/// It commits before and after itself.
fn commits(action: &Action) -> bool {
    match action {
        Action::CreateTable(table) => !table.temporary,
        Action::AlterTable { .. }
        | Action::DropTable { .. }
        | Action::RenameTables { .. }
        | Action::CreateIndex(_)
        | Action::Truncate { .. }
        | Action::CreateView { .. }
        | Action::DropView { .. }
        | Action::CreateTrigger { .. }
        | Action::CreateRoutine { .. }
        | Action::DropRoutine { .. }
        | Action::CreateObject { .. }
        | Action::DropObject { .. }
        | Action::CreateSchema { .. }
        | Action::DropSchema { .. }
        | Action::CreateSequence { .. }
        | Action::DropSequence { .. }
        | Action::Optimize { .. }
        | Action::Analyze
        | Action::LockTable { .. }
        | Action::Grant { .. }
        | Action::Revoke => true,
        _ => false,
    }
}
