//! What a writer notes down: every write before it is sent, and what the server said to it.

use std::time::{Duration, Instant};

use super::shop::Order;

/// A write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// The order is new.
    Insert(Order),
    /// The order is this from then on.
    Update(Order),
    /// The order is gone from then on.
    Delete,
    /// The version of a shared order is one higher.
    Raise,
}

/// What is known of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing yet.
    Sent,
    /// The server acknowledged it.
    Acknowledged,
    /// The server refused it, or found no such order: it changed nothing.
    Failed(String),
    /// The connection broke before the answer: it may have happened or not.
    InDoubt(String),
}

/// A line of the ledger.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The number of the write, which nobody else has; the row keeps it.
    pub(super) op: i64,
    /// The order's number.
    pub(super) id: i64,
    pub(super) act: Act,
    pub(super) outcome: Outcome,
    pub(super) sent: Instant,
    /// From sending to the answer.
    pub(super) took: Duration,
}

impl Entry {
    /// It may be in the table.
    pub(super) fn may_be_there(&self) -> bool {
        !matches!(self.outcome, Outcome::Failed(_))
    }
}

/// The writes of one writer, in the order in which they were sent: each after the answer to the one before.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) entries: Vec<Entry>,
}

impl Ledger {
    /// Notes down a write that is about to be sent.
    pub(super) fn sends(&mut self, op: i64, id: i64, act: Act) {
        let (outcome, took) = (Outcome::Sent, Duration::ZERO);
        self.entries.push(Entry { op, id, act, outcome, sent: Instant::now(), took });
    }

    /// Notes down what became of the last one.
    pub(super) fn settles(&mut self, outcome: Outcome) {
        if let Some(entry) = self.entries.last_mut() {
            entry.took = entry.sent.elapsed();
            entry.outcome = outcome;
        }
    }
}

/// A stretch of time with a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) name: &'static str,
    pub(super) from: Instant,
    pub(super) to: Instant,
}

impl Window {
    /// Begins now. Until it is closed it is empty.
    pub(super) fn open(name: &'static str) -> Self {
        let now = Instant::now();
        Self { name, from: now, to: now }
    }

    /// Ends now.
    pub(super) fn close(self) -> Self {
        Self { to: Instant::now(), ..self }
    }
}

/// What became of the writes that were sent in a window.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) acknowledged: u64,
    pub(super) failed: u64,
    pub(super) in_doubt: u64,
    /// The longest that one of them took.
    pub(super) longest: Duration,
    /// The first that failed or is in doubt, in the server's words.
    pub(super) first_failure: Option<String>,
}

impl Tally {
    /// Of the entries that were sent between these moments, both included.
    pub(super) fn of<'a>(entries: impl Iterator<Item = &'a Entry>, window: &Window) -> Self {
        let mut tally = Self::default();
        for entry in entries.filter(|e| (window.from..=window.to).contains(&e.sent)) {
            tally.longest = tally.longest.max(entry.took);
            match &entry.outcome {
                Outcome::Acknowledged => tally.acknowledged += 1,
                Outcome::Failed(why) => {
                    tally.failed += 1;
                    tally.first_failure.get_or_insert_with(|| why.clone());
                }
                Outcome::InDoubt(why) => {
                    tally.in_doubt += 1;
                    tally.first_failure.get_or_insert_with(|| why.clone());
                }
                Outcome::Sent => tally.in_doubt += 1,
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_counts_what_was_sent_in_its_window() {
        let mut ledger = Ledger::default();
        let mut write = |outcome: Option<Outcome>| {
            ledger.sends(1, 1, Act::Raise);
            if let Some(outcome) = outcome {
                ledger.settles(outcome);
            }
        };
        write(Some(Outcome::Acknowledged));
        let window = Window::open("apply");
        write(Some(Outcome::Acknowledged));
        write(Some(Outcome::Failed("40P01".into())));
        write(Some(Outcome::InDoubt("closed".into())));
        write(None);
        let window = window.close();
        write(Some(Outcome::Acknowledged));
        let tally = Tally::of(ledger.entries.iter(), &window);
        assert_eq!((tally.acknowledged, tally.failed, tally.in_doubt), (1, 1, 2));
        assert_eq!(tally.first_failure.as_deref(), Some("40P01"));
    }
}
