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

/// A statement of an application about one of the tables (in small letters): not one that changes them, and none of
/// ours.
pub(crate) fn is_about(text: &str, tables: &[String]) -> bool {
    let text = text.to_lowercase();
    let first = text.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let reads_or_writes = matches!(first, "select" | "insert" | "update" | "delete" | "merge" | "with");
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let names = |table: &String| {
        text.match_indices(table.as_str()).any(|(at, found)| {
            let before = text[..at].chars().next_back();
            let after = text[at + found.len()..].chars().next();
            !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
        })
    };
    reads_or_writes && !text.contains("cofferdam") && tables.iter().any(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_about_a_table_are_those_of_the_application() {
        let tables = ["orders".to_owned()];
        for (text, expected) in [
            ("SELECT * FROM orders WHERE id = $1", true),
            ("update public.\"orders\" set a = $1", true),
            ("/* x */ SELECT 1 FROM orders", false),
            ("SELECT * FROM old_orders", false),
            ("SELECT * FROM orders2", false),
            ("ALTER TABLE orders ADD COLUMN x int", false),
            ("INSERT INTO cofferdam_new_1.orders SELECT * FROM orders", false),
            ("SELECT `id` FROM `shop` . `orders` WHERE `id` = ?", true),
            ("SELECT ? AS `cofferdam_touch` FROM `orders` LIMIT ?", false),
            ("SELECT 1", false),
        ] {
            assert_eq!(is_about(text, &tables), expected, "{text}");
        }
    }
}
