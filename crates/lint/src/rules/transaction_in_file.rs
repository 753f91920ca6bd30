use cofferdam_core::change::TransactionControl;
use cofferdam_core::{Action, Change, Finding, Findings, Severity};

use crate::{Rule, Scene, rewrite, transaction};

/// `BEGIN`, `COMMIT` and their kin, other than one pair around the whole script.
pub(crate) static RULE: Rule = Rule {
    id: "transaction-in-file",
    code: "CF1003",
    title: "a script begins or ends transactions itself",
    why: "A script and the record that it was applied commit together. A COMMIT in the middle splits the two: when a \
          later statement fails, the first half stays in the database while the record says that nothing was \
          applied, and the next try runs the first half again. Savepoints split it in the same way. One BEGIN as the \
          first and one COMMIT as the last statement mean what happens anyway, so they are fine.",
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
    let open = transaction::open_block(scene.earlier());
    let end = scene.later().iter().find_map(ended_by);
    let (message, help) = match control {
        TransactionControl::Begin if open => ("BEGIN inside a transaction does nothing", "take it out"),
        TransactionControl::Begin if end.is_none() => {
            ("this transaction is never committed", "take BEGIN out")
        }
        // The finding stands at the end that is not a COMMIT.
        TransactionControl::Begin if end != Some(TransactionControl::Commit) => return,
        TransactionControl::Begin if scene.transaction_none => (
            "this script says that each statement commits by itself, and begins a transaction",
            "move the statements up to COMMIT to a script of their own",
        ),
        TransactionControl::Begin => (
            "this transaction is not that of the whole script",
            "take BEGIN and COMMIT out, or move the statements between them to a script of their own",
        ),
        // The finding stands at the BEGIN that it belongs to.
        TransactionControl::Commit if open => return,
        TransactionControl::Commit => (
            "this COMMIT ends the script's own transaction before its record is written",
            "take it out, or split the script here",
        ),
        TransactionControl::Rollback => {
            ("this ROLLBACK takes back what the script did before it", "take it out, with what it takes back")
        }
        TransactionControl::Savepoint => (
            "a savepoint lets a part of the script be taken back while its record stays",
            "take it out, or split the script here",
        ),
        TransactionControl::TwoPhase => (
            "a prepared transaction outlives its session and keeps its locks until somebody ends it",
            "use a plain transaction",
        ),
    };
    let fix = if scene.transaction_none { None } else { rewrite::without_control(scene) };
    findings.push(Finding { help: Some(help.into()), fix, ..scene.finding(&RULE, message) });
}

/// How the statement ends a transaction, if it does.
fn ended_by(change: &Change) -> Option<TransactionControl> {
    use TransactionControl::{Commit, Rollback, TwoPhase};
    match change.action {
        Action::Transaction(control @ (Commit | Rollback | TwoPhase)) => Some(control),
        _ => None,
    }
}
