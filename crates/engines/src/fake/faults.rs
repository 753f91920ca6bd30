//! What a test can let go wrong, and where.

use cofferdam_core::Code;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FakeFault {
    /// The server refuses, and the same may succeed later: `Again(Code::LockNotObtained)`. Nothing happened, but
    /// for an index built outside a transaction, which is left invalid.
    Again(Code),
    /// The server refuses for good; the rest as for `Again`.
    Refused(Code),
    /// The connection breaks before the server has done anything.
    ConnectionLost,
    /// The connection breaks, and the server stops half-way: an index built outside a transaction is left invalid;
    /// of anything else nothing is there.
    Halfway,
    /// The server does it, and the connection breaks before its answer is read.
    AnswerLost,
    /// The connection breaks and the server does not notice: the statement goes on and keeps the session's locks
    /// until `FakeDatabase::finish_orphan`.
    Orphaned,
    /// The statement does not come to an end. A session that is dropped meanwhile leaves an orphan as above, as
    /// a runner does that is killed; a stop that is asked for cancels it.
    Hang,
}

/// Where it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FakePlace {
    /// Connecting.
    Open,
    /// Taking the run lock.
    Claim,
    /// Within a batch, before its first line.
    Begin,
    /// Within a batch, at a statement of a step.
    Statement,
    /// Within a batch, when COMMIT is sent. After `ConnectionLost` here nothing was committed, after
    /// `AnswerLost` all of it was; the runner is told the same of both.
    Commit,
    /// At a statement outside a transaction.
    Perform,
    /// Asking the catalog or Cofferdam's own tables.
    Read,
}

/// Faults that are still to happen.
#[derive(Debug, Default)]
pub(super) struct Planned(Vec<(u32, FakeFault, FakePlace)>);

impl Planned {
    pub(super) fn add(&mut self, nth: u32, fault: FakeFault, place: FakePlace) {
        self.0.push((nth.max(1), fault, place));
    }

    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    /// A session came to `place`: what happens to it there.
    pub(super) fn at(&mut self, place: FakePlace) -> Option<FakeFault> {
        let mut due = None;
        for (index, (nth, _, where_)) in self.0.iter_mut().enumerate() {
            if *where_ == place {
                *nth = nth.saturating_sub(1);
                if *nth == 0 && due.is_none() {
                    due = Some(index);
                }
            }
        }
        due.map(|index| self.0.remove(index).1)
    }
}
