//! What is shown of the writes: of those of a phase, and of a comparison of the table with all ledgers.

use serde::Serialize;

use super::checker::{Kind, Problem};
use super::ledger::{Tally, Window};
use super::story::grouped;
use crate::args::duration::shown;

/// How many problems are named.
const NAMED: usize = 5;

/// What became of the writes of a phase.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PhaseView {
    pub(super) name: &'static str,
    pub(super) ms: u64,
    pub(super) writes: u64,
    pub(super) failed: u64,
    pub(super) in_doubt: u64,
    /// The longest that a writer waited for one write.
    pub(super) longest_stall_ms: f64,
    /// The first failure in the server's words.
    pub(super) first_failure: Option<String>,
}

/// A comparison of the table with all ledgers.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CheckView {
    /// The phase that it came after.
    pub(super) after: &'static str,
    /// Acknowledged writes that were looked for: all since the beginning.
    pub(super) writes: u64,
    pub(super) lost: u64,
    /// Writes in the table that nobody made.
    pub(super) foreign: u64,
    pub(super) problems: Vec<String>,
}

impl PhaseView {
    /// Of a window and its writes.
    pub(super) fn new(window: &Window, tally: Tally) -> Self {
        let ms = u64::try_from((window.to - window.from).as_millis()).unwrap_or(u64::MAX);
        Self {
            name: window.name,
            ms,
            writes: tally.acknowledged,
            failed: tally.failed,
            in_doubt: tally.in_doubt,
            longest_stall_ms: (tally.longest.as_secs_f64() * 1e5).round() / 100.0,
            first_failure: tally.first_failure,
        }
    }

    /// Writes that were not acknowledged.
    pub(super) fn failures(&self) -> u64 {
        self.failed + self.in_doubt
    }

    /// As a sentence: `20 311 writes, 0 failed, longest stall 38 ms`.
    pub(super) fn words(&self) -> String {
        let doubt = match self.in_doubt {
            0 => String::new(),
            number => format!(", {} in doubt", grouped(number)),
        };
        format!(
            "{} writes, {} failed{doubt}, longest stall {}",
            grouped(self.writes),
            grouped(self.failed),
            stall(self.longest_stall_ms)
        )
    }
}

impl CheckView {
    /// Of so many acknowledged writes and what is wrong with them.
    pub(super) fn new(after: &'static str, writes: u64, problems: &[Problem]) -> Self {
        let sum = |kind| problems.iter().filter(|p| p.kind == kind).map(|p| p.writes).sum();
        Self {
            after,
            writes,
            lost: sum(Kind::Lost),
            foreign: sum(Kind::Foreign),
            problems: problems.iter().map(|p| p.what.clone()).collect(),
        }
    }

    /// Nothing is wrong.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// As a sentence, the first problems in lines after it.
    pub(super) fn words(&self) -> String {
        if self.is_clean() {
            return format!(
                "all {} acknowledged writes are there, and nothing else is",
                grouped(self.writes)
            );
        }
        let (lost, foreign) = (grouped(self.lost), grouped(self.foreign));
        let mut text = format!("of {} acknowledged writes {lost} are LOST", grouped(self.writes));
        if self.foreign > 0 {
            text += &format!(", and {foreign} are there that nobody made");
        }
        self.problems.iter().take(NAMED).for_each(|problem| text += &format!("\n    {problem}"));
        text
    }
}

/// `38 ms`; below ten with one decimal: `4.2 ms`.
pub(super) fn stall(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1} ms") } else { shown(ms.round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: Kind, writes: u64) -> Problem {
        Problem { kind, writes, what: "order 17 is gone".into() }
    }

    #[test]
    fn a_check_says_what_is_lost() {
        let clean = CheckView::new("apply", 41_233, &[]);
        assert!(clean.is_clean());
        assert_eq!(clean.words(), "all 41 233 acknowledged writes are there, and nothing else is");
        let bad = CheckView::new("apply", 41_233, &[problem(Kind::Lost, 2), problem(Kind::Foreign, 1)]);
        assert_eq!((bad.lost, bad.foreign, bad.is_clean()), (2, 1, false));
        assert_eq!(
            bad.words(),
            "of 41 233 acknowledged writes 2 are LOST, and 1 are there that nobody made\
             \n    order 17 is gone\n    order 17 is gone"
        );
    }

    #[test]
    fn a_phase_is_a_sentence() {
        let tally = Tally {
            acknowledged: 20_311,
            longest: std::time::Duration::from_micros(4_249),
            ..Tally::default()
        };
        let phase = |tally| PhaseView::new(&Window::open("apply"), tally).words();
        assert_eq!(phase(tally.clone()), "20 311 writes, 0 failed, longest stall 4.2 ms");
        let tally =
            Tally { failed: 1, in_doubt: 2, longest: std::time::Duration::from_millis(1_500), ..tally };
        assert_eq!(phase(tally), "20 311 writes, 1 failed, 2 in doubt, longest stall 1.5 s");
    }
}
