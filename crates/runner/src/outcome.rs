//! What faults and moves mean to a run.

use std::time::Duration;

use cofferdam_core::fault::Result;
use cofferdam_core::journal::What;
use cofferdam_core::run::Event;
use cofferdam_core::{Code, Fault, Phase, Refusal};
use cofferdam_engines::Line;

/// After these nothing more is to be written: the connection is gone, another runner took over, we were asked to
/// stop and the run is to be gone on with, or it is stuck already.
pub(crate) fn leaves_the_run_as_it_is(code: Code) -> bool {
    matches!(
        code,
        Code::ConnectionLost
            | Code::Fenced
            | Code::Interrupted
            | Code::TimedOut
            | Code::OutcomeUnknown
            | Code::RollbackFailed
            | Code::LeftToAPerson
            | Code::NoSource
    )
}

/// Whoever lost the answer lost the connection with it, so that nothing more can be written; the next runner looks
/// at what happened.
pub(crate) fn unanswered(fault: Fault) -> Fault {
    match fault {
        Fault::Unknown(question) => Refusal::new(Code::ConnectionLost, question.what)
            .cause("the connection broke before the answer came")
            .help("run the same command again: it looks at what happened and goes on from there")
            .note(format!("look at: {}", question.look_at))
            .into(),
        other => other,
    }
}

/// A statement was or may have been performed, and what was refused came after it: the row that says so, or the look
/// at the catalog. That is no failure of the step. The run stays as it is, and the next runner asks the catalog.
pub(crate) fn left_to_the_next(fault: Fault) -> Fault {
    let Fault::Refused(why) = fault else { return fault };
    if leaves_the_run_as_it_is(why.code) {
        return why.into();
    }
    Fault::Again { after: Duration::ZERO, why }
}

/// The phases from one to another, passed in one row.
pub(crate) fn way(from: Phase, to: Phase) -> Result<Vec<Line<'static>>> {
    let ahead = || Fault::Bug(format!("{to:?} does not lie ahead of {from:?}"));
    let on = from.way_to(to).ok_or_else(ahead)?;
    Ok(match on.as_slice() {
        [] => Vec::new(),
        [one] => vec![moved(from, *one)?],
        _ => vec![Line::Write(What::Passed { from, on, to })],
    })
}

pub(crate) fn moved(from: Phase, on: Event) -> Result<Line<'static>> {
    let to = from.next(on).map_err(|e| Fault::Bug(e.to_string()))?;
    Ok(Line::Write(What::Moved { from, on, to }))
}

pub(crate) fn lost(name: &str) -> Fault {
    Refusal::new(Code::ConnectionLost, format!("failpoint {name}")).into()
}
