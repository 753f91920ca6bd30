use cofferdam_core::{Action, Finding, Findings, Severity};
use cofferdam_dialects::postgres::refuses_transaction;

use crate::{Rule, Scene, rewrite};

/// A statement that refuses a transaction, in a script that has one.
pub(crate) static RULE: Rule = Rule {
    id: "mixed-transaction",
    code: "CF1004",
    title: "a statement cannot run in a transaction, its script runs in one",
    why: "VACUUM, CREATE DATABASE, ALTER SYSTEM, DETACH PARTITION CONCURRENTLY and their like refuse to run inside a \
          transaction block. The other statements of the script need theirs, so the server stops at this one with \
          SQLSTATE 25001 and nothing is applied.",
    instead: "Move the statement to a script of its own; `cofferdam lint --fix` does it. Or, where each statement may \
              commit by itself, begin the script with `-- cofferdam:transaction none`.",
    severity: Severity::Error,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let change = scene.change();
    // create-index-concurrently-in-tx speaks of these.
    let index_work = matches!(
        change.action,
        Action::CreateIndex(_) | Action::DropIndex { .. } | Action::Reindex { concurrently: true, .. }
    );
    if !scene.in_transaction
        || index_work
        || !refuses_transaction(&change.action, &change.text, scene.server_major)
    {
        return;
    }
    findings.push(Finding {
        notes: vec!["fails at once with SQLSTATE 25001".into()],
        help: Some("move it to a script of its own: cofferdam lint --fix does it".into()),
        fix: rewrite::move_out(scene),
        ..scene.finding(&RULE, "this statement refuses to run in a transaction, and its script runs in one")
    });
}
