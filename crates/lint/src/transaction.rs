//! Which statements of a script run inside a transaction.

use cofferdam_core::change::TransactionControl;
use cofferdam_core::{Action, Change};
use cofferdam_dialects::Parsed;
use cofferdam_dialects::postgres::refuses_transaction;

/// For each statement: it runs inside a transaction.
///
/// A script runs in one transaction, unless it says `-- cofferdam:transaction none` or holds nothing but
/// statements that refuse one (then each of them runs by itself). Between `BEGIN` and `COMMIT` there is one in
/// any case. On MySQL and MariaDB there is one there only, because each statement that changes a definition commits.
pub(crate) fn in_transaction(parsed: &Parsed, transaction_none: bool, server_major: u32) -> Vec<bool> {
    let changes = &parsed.changes;
    let whole_file = !transaction_none
        && parsed.engine == "postgresql"
        && changes.iter().any(|change| needs_or_joins(&change.action, &change.text, server_major));
    let mut block = false;
    changes
        .iter()
        .map(|change| {
            match change.action {
                Action::Transaction(TransactionControl::Begin) => block = true,
                Action::Transaction(TransactionControl::Commit | TransactionControl::Rollback) => {
                    block = false;
                }
                _ => {}
            }
            block || whole_file
        })
        .collect()
}

/// It belongs into the transaction of its file. `SET` is at home inside and outside.
fn needs_or_joins(action: &Action, text: &str, server_major: u32) -> bool {
    !matches!(action, Action::Transaction(_) | Action::SetSession { .. } | Action::SetRole)
        && !refuses_transaction(action, text, server_major)
}

/// A `BEGIN` among these statements is still open after them.
pub(crate) fn open_block(changes: &[Change]) -> bool {
    use TransactionControl::{Begin, Commit, Rollback};
    let last = changes.iter().rev().find_map(|change| match change.action {
        Action::Transaction(control @ (Begin | Commit | Rollback)) => Some(control),
        _ => None,
    });
    last == Some(Begin)
}

/// The first and the last statement, where they are the one `BEGIN` and the one `COMMIT` of the script; savepoints
/// between them do not count.
pub(crate) fn whole_block(changes: &[Change]) -> Option<(usize, usize)> {
    use TransactionControl::{Begin, Commit, Savepoint};
    let control: Vec<(usize, TransactionControl)> = changes
        .iter()
        .enumerate()
        .filter_map(|(i, change)| match change.action {
            Action::Transaction(control) if control != Savepoint => Some((i, control)),
            _ => None,
        })
        .collect();
    match control.as_slice() {
        [(0, Begin), (last, Commit)] if *last + 1 == changes.len() => Some((0, *last)),
        _ => None,
    }
}
