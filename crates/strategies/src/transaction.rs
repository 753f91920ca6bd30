//! Which statements of a script commit together.

use cofferdam_core::change::{Action, Change, TransactionControl};
use cofferdam_core::fault::Place;
use cofferdam_core::{Code, Refusal};
use cofferdam_dialects::postgres::refuses_transaction;

use crate::Subject;

/// The script's statements without a BEGIN and COMMIT that stand around all of them. Those mean what our own
/// transaction does; any other transaction control would part what a script did from the record that it did it.
pub(crate) fn without_frame<'a>(subject: &Subject<'a>) -> Result<&'a [Change], Box<Refusal>> {
    let changes = subject.parsed.changes.as_slice();
    let control = |c: &Change| matches!(c.action, Action::Transaction(_));
    let inner = match changes {
        [first, inner @ .., last]
            if first.action == Action::Transaction(TransactionControl::Begin)
                && last.action == Action::Transaction(TransactionControl::Commit) =>
        {
            if loose_by_wish(subject) {
                return Err(Box::new(in_file(subject, first)));
            }
            inner
        }
        all => all,
    };
    match inner.iter().find(|c| control(c)) {
        Some(change) => Err(Box::new(in_file(subject, change))),
        None => Ok(inner),
    }
}

fn in_file(subject: &Subject<'_>, change: &Change) -> Refusal {
    Refusal::new(Code::TransactionInFile, format!("the script says {} itself", change.text.trim()))
        .cause("it would part what the script does from the record that it did it")
        .help(
            "remove it: the script runs in one transaction anyway; or split the file; lint --fix does either",
        )
        .at(place(subject, change))
}

/// The author wants each statement to commit by itself.
pub(crate) fn loose_by_wish(subject: &Subject<'_>) -> bool {
    subject.parsed.directives.transaction_none || subject.migration.no_transaction
}

/// The server refuses to run it inside a transaction block.
pub(crate) fn must_be_loose(subject: &Subject<'_>, change: &Change) -> bool {
    refuses_transaction(&change.action, &change.text, subject.facts.server.major())
}

/// A statement that may not run in a transaction comes after one that could not be taken back alone.
pub(crate) fn mixed(subject: &Subject<'_>, change: &Change, why: &str) -> Refusal {
    Refusal::new(
        Code::MixedTransaction,
        "a statement that cannot run in a transaction stands after one that cannot be taken back",
    )
    .cause(format!("if it failed, what stands before it would stay: {why}"))
    .help(
        "move it to a file of its own (cofferdam lint --fix), or begin the file with \
         `-- cofferdam:transaction none` if every statement may commit by itself",
    )
    .at(place(subject, change))
}

pub(crate) fn place(subject: &Subject<'_>, change: &Change) -> Place {
    let up = &subject.migration.up;
    Place::new(up.path.clone(), up.text.clone(), change.at)
}
