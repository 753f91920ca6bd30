use cofferdam_core::{Action, Finding, Findings, Severity};

use crate::{Rule, Scene, rewrite};

/// Index work with `CONCURRENTLY` inside a transaction.
pub(crate) static RULE: Rule = Rule {
    id: "create-index-concurrently-in-tx",
    code: "CF1022",
    title: "CONCURRENTLY is refused inside a transaction",
    why: "CREATE INDEX CONCURRENTLY, DROP INDEX CONCURRENTLY and REINDEX CONCURRENTLY commit several times while they \
          work, so they refuse to run inside a transaction block. The script runs in one, because of its BEGIN or \
          because of its other statements: the server stops here with SQLSTATE 25001 and nothing is applied.",
    instead: "Move the statement to a script of its own, applied directly after; `cofferdam lint --fix` does it. Or, \
              where each statement may commit by itself, begin the script with `-- cofferdam:transaction none`.",
    severity: Severity::Error,
    engines: &["postgresql"],
    aliases: &["ban-concurrent-index-creation-in-transaction", "PG103"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let what = match scene.action() {
        Action::CreateIndex(index) if index.concurrently => "CREATE INDEX CONCURRENTLY",
        Action::DropIndex { concurrently: true, .. } => "DROP INDEX CONCURRENTLY",
        Action::Reindex { concurrently: true, .. } => "REINDEX CONCURRENTLY",
        _ => return,
    };
    if !scene.in_transaction {
        return;
    }
    let fix = rewrite::move_out(scene);
    let help = match &fix {
        Some(_) => "move it to a script of its own: cofferdam lint --fix does it",
        None => "move it to a script of its own, together with what relies on it",
    };
    findings.push(Finding {
        notes: vec!["fails at once with SQLSTATE 25001".into()],
        help: Some(help.into()),
        fix,
        ..scene.finding(&RULE, format!("{what} cannot run inside a transaction"))
    });
}
