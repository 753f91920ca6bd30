//! What a session beside a run can tell of the database while it is changed: how long its tables cannot be used, how
//! far standbys are behind, how long statements take, how busy the machine is.

use std::time::Duration;

use serde::Serialize;

use cofferdam_core::Name;

use crate::Holder;

/// How a run is to stop, as the engine is told while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stopping {
    /// It is not.
    #[default]
    No,
    /// Between two pieces of work. A statement that runs is let come to its end.
    AtSafePoint,
    /// As before, but a statement that is still running some seconds later is cancelled.
    Soon,
    /// A statement that runs is cancelled now.
    AtOnce,
}

impl Stopping {
    /// Nothing new is to be begun.
    pub fn asked(self) -> bool {
        self != Stopping::No
    }
}

impl From<bool> for Stopping {
    /// Whoever is only asked whether to stop means soon.
    fn from(asked: bool) -> Self {
        if asked { Stopping::Soon } else { Stopping::No }
    }
}

/// What one touch of a table met: its lock was taken as a statement of the application would take it, and let go.
#[derive(Debug, Clone, PartialEq)]
pub struct Touch {
    /// The table.
    pub table: Name,
    /// As a statement that writes; else as one that reads.
    pub writes: bool,
    /// How long it waited.
    pub waited: Duration,
    /// What came of it.
    pub end: TouchEnd,
    /// Who held it up, where it waited long enough for a look.
    pub held_by: Vec<Holder>,
    /// One of those who held it up is a session of Cofferdam's. `None`: nobody looked, or it cannot be told.
    pub ours: Option<bool>,
}

/// What came of a touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TouchEnd {
    /// It got the lock.
    Passed,
    /// It waited for as long as it may, and gave up.
    GaveUp,
    /// There is no such table, or it is none that can be locked.
    Absent,
}

/// Which vital signs are wanted. Each costs a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VitalsAsked {
    /// How far standbys are behind.
    pub lag: bool,
    /// The statements that touch these tables. Empty: none.
    pub statements_of: Vec<Name>,
    /// How busy the server's machine is.
    pub host: bool,
}

/// A value, or why there is none; for people.
pub type Told<T> = std::result::Result<T, String>;

/// The vital signs that were asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vitals {
    /// How far the standby that is farthest behind has replayed, and its name. None at all: zero, and no name.
    pub lag: Option<Told<(Duration, String)>>,
    /// What the server has counted since its statistics were last reset.
    pub statements: Option<Told<Vec<StatementCount>>>,
    /// See [`HostUse`].
    pub host: Option<Told<HostUse>>,
}

/// How often a statement was called, and how long that took in all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatementCount {
    /// Its text, with its constants taken out.
    pub text: String,
    /// So often.
    pub calls: f64,
    /// In milliseconds, all calls together.
    pub ms: f64,
}

/// How busy a machine is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostUse {
    /// Time that its processors were busy, in a unit of its own, since some beginning.
    pub busy: f64,
    /// Time that they could have been busy, in the same unit, since the same beginning.
    pub of: f64,
    /// How much of its memory is in use, from 0 to 1.
    pub memory: f64,
}
