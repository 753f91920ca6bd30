//! A person's word: about a plan, and at the keyboard.

use std::io::IsTerminal;

use cofferdam_api::approval::Decision;
use cofferdam_api::{DatabaseMigration, MigrationApproval};
use cofferdam_core::{Code, Fault, Refusal, Result};

use crate::context::Context;

/// Who approved the plan that there is; `None` where nobody did, or somebody rejects it.
pub(crate) fn approved<'a>(
    migration: &DatabaseMigration,
    approvals: &'a [MigrationApproval],
) -> Option<&'a MigrationApproval> {
    match rejected(migration, approvals) {
        Some(_) => None,
        None => {
            of_the_plan(migration, approvals).find(|approval| approval.spec.decision == Decision::Approve)
        }
    }
}

/// Who rejects the plan that there is.
pub(crate) fn rejected<'a>(
    migration: &DatabaseMigration,
    approvals: &'a [MigrationApproval],
) -> Option<&'a MigrationApproval> {
    of_the_plan(migration, approvals).find(|approval| approval.spec.decision == Decision::Reject)
}

fn of_the_plan<'a>(
    migration: &DatabaseMigration,
    approvals: &'a [MigrationApproval],
) -> impl Iterator<Item = &'a MigrationApproval> {
    let plan = migration.status.as_ref().and_then(|status| status.plan_digest.clone());
    approvals.iter().filter(move |approval| plan.as_ref() == Some(&approval.spec.plan_digest))
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
