//! A person's word: about a plan, and at the keyboard.

use std::io::IsTerminal;

use cofferdam_api::{DatabaseMigration, MigrationApproval};
use cofferdam_core::{Code, Fault, Refusal, Result};
use cofferdam_operator::migration::agreement::{self, Agreement};

use crate::context::Context;

/// Who approved the plan that there is; `None` where nobody did, or not enough, or somebody rejects it.
pub(crate) fn approved<'a>(
    migration: &DatabaseMigration,
    approvals: &'a [MigrationApproval],
) -> Option<&'a MigrationApproval> {
    match agreement(migration, approvals) {
        Agreement::Given(approval) => Some(approval),
        _ => None,
    }
}

/// Who rejects the plan that there is.
pub(crate) fn rejected<'a>(
    migration: &DatabaseMigration,
    approvals: &'a [MigrationApproval],
) -> Option<&'a MigrationApproval> {
    match agreement(migration, approvals) {
        Agreement::Rejected(approval) => Some(approval),
        _ => None,
    }
}

fn agreement<'a>(migration: &DatabaseMigration, approvals: &'a [MigrationApproval]) -> Agreement<'a> {
    match migration.status.as_ref().and_then(|status| status.plan_digest.as_ref()) {
        Some(plan) => {
            agreement::of(approvals, plan.as_str(), &migration.spec.approval, jiff::Timestamp::now())
        }
        None => Agreement::Nothing,
    }
}

/// Asks the person at the keyboard; `--yes` has said it beforehand.
///
/// # Errors
/// Nobody is there, or the answer is not yes.
pub(crate) async fn ask(context: &Context, question: &str) -> Result<()> {
    if context.common.yes {
        return Ok(());
    }
    context.console.complain(question);
    let not = |cause: String| {
        Refusal::new(Code::NotAgreed, "nobody agreed").cause(cause).help("agree to it with --yes")
    };
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(not("nobody is at the keyboard".into()).into());
    }
    context.console.ask("Go on? [y/N]");
    // On a thread of its own, so that signals are heeded while it waits.
    let typed = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    })
    .await
    .map_err(|error| Fault::Bug(error.to_string()))?;
    match typed {
        Ok(line) if matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes") => Ok(()),
        Ok(line) => Err(not(format!("the answer was {:?}", line.trim())).into()),
        Err(error) => Err(not(error.to_string()).into()),
    }
}
