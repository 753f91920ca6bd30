use cofferdam_core::change::TransactionControl;
use cofferdam_core::{Action, Change, Finding, Findings, Severity};

use crate::{Rule, Scene, transaction};

/// `BEGIN`, `COMMIT` and their kin, other than one pair around the whole script.
pub static RULE: Rule = Rule {
    id: "transaction-in-file",
    code: "CF1003",
    title: "a script begins or ends transactions itself",
    why: "A script and the record that it was applied commit together. A COMMIT in the middle splits the two: when a \
          later statement fails, the first half stays in the database while the record says that nothing was \
          applied, and the next try runs the first half again. One BEGIN as the first and one COMMIT as the last \
          statement mean what happens anyway, so they are fine.",
    instead: "Take the statements out; or split the script at each COMMIT into scripts of their own; or, where each \
              statement may commit by itself, begin the script with `-- cofferdam:transaction none`.",
    severity: Severity::Error,
    engines: &["postgresql"],
    aliases: &["transaction-nesting", "ban-uncommitted-transaction", "nestedtx"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::Transaction(control) = scene.action() else { return };
    let whole = transaction::whole_block(scene.changes);
    if !scene.transaction_none && whole.is_some_and(|(first, last)| [first, last].contains(&scene.index)) {
        return;
    }
    let ended_later = scene.later().iter().any(|change| ends(change));
    let open = transaction::open_block(scene.earlier());
    let message = match control {
        TransactionControl::Begin if open => "BEGIN inside a transaction does nothing",
        TransactionControl::Begin if !ended_later => "this transaction is never committed",
        TransactionControl::Begin => "this transaction is not that of the whole script",
        // The finding stands at the BEGIN that it belongs to.
        TransactionControl::Commit if open => return,
        TransactionControl::Commit => "this COMMIT ends the script's own transaction before its record is written",
        TransactionControl::Rollback => "this ROLLBACK takes back what the script did before it",
        TransactionControl::Savepoint if scene.in_transaction => return,
        TransactionControl::Savepoint => "a savepoint needs a transaction, and here each statement commits by itself",
        TransactionControl::TwoPhase => "a prepared transaction outlives the session and keeps its locks",
    };
    findings.push(Finding {
        help: Some(RULE.instead.into()),
        ..scene.finding(&RULE, message)
    });
}

fn ends(change: &Change) -> bool {
    matches!(
        change.action,
        Action::Transaction(
            TransactionControl::Commit | TransactionControl::Rollback | TransactionControl::TwoPhase
        )
    )
}
