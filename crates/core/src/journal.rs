//! The journal: what a run did, row by row, and the state that follows from it.
//!
//! The rows are append-only and hash-chained over the whole database: each row's hash covers the one before, so
//! a row that is changed or taken out shows. `state = fold(rows)` is the only way to know where a run is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::approval::{Approval, Awaited};
use crate::backup::Taken;
use crate::fault::Question;
use crate::run::{Event, Illegal, Phase};

/// One row of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the database's journal, from 1, without gaps.
    pub seq: i64,
    /// The run.
    pub run: Uuid,
    /// The fencing number of the runner that wrote it.
    pub epoch: i64,
    /// When, in UTC, as RFC 3339.
    pub at: String,
    /// Who: `role@host (ci)`.
    pub who: String,
    /// What happened.
    pub what: What,
    /// Hash of the row before, in hex; empty in the first.
    pub previous: String,
    /// SHA-256 over `previous` and the row, in hex.
    pub hash: String,
}

/// What a row says. Closed: it is a file format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum What {
    /// The run went on to another phase.
    Moved {
        /// From.
        from: Phase,
        /// By.
        on: Event,
        /// To.
        to: Phase,
    },
    /// The run went on through phases in which it had nothing to do: several moves in one row.
    Passed {
        /// From.
        from: Phase,
        /// By these, one after the other.
        on: Vec<Event>,
        /// To.
        to: Phase,
    },
    /// A step is about to be performed.
    Began {
        /// The step's id; `undo 2` for the undo of step 2.
        step: String,
    },
    /// A step was performed.
    Ended {
        /// The step's id.
        step: String,
        /// How it is known: "performed", "found in the catalog", "a person says so".
        how: String,
        /// How long it took, in milliseconds, where it was measured.
        ms: Option<u64>,
    },
    /// A step failed and left nothing behind.
    Failed {
        /// The step's id.
        step: String,
        /// Why.
        why: String,
    },
    /// What must be answered before the run can go on.
    Asked {
        /// The step's id.
        step: String,
        /// The question.
        question: Question,
    },
    /// A backup was taken before the first step.
    BackedUp {
        /// Which.
        backup: Taken,
    },
    /// Something to remember that moves nothing: a repaired checksum, a waited-for lock.
    Noted {
        /// What.
        text: String,
    },
    /// A person approved or rejected plans. The row belongs to no run.
    Approved {
        /// The word.
        approval: Box<Approval>,
    },
    /// Plans were to be carried out that nobody has agreed to. The row belongs to no run.
    Awaited {
        /// Which.
        awaited: Box<Awaited>,
    },
}

impl What {
    /// What the moves of one row are: none, one or several.
    pub fn moves(&self) -> &[Event] {
        match self {
            What::Moved { on, .. } => std::slice::from_ref(on),
            What::Passed { on, .. } => on,
            _ => &[],
        }
    }
}

impl Entry {
    /// A row after the one whose hash is `previous`.
    pub fn chained(
        seq: i64,
        run: Uuid,
        epoch: i64,
        at: String,
        who: String,
        what: What,
        previous: &str,
    ) -> Self {
        let mut entry =
            Self { seq, run, epoch, at, who, what, previous: previous.into(), hash: String::new() };
        entry.hash = entry.computed_hash();
        entry
    }

    /// The hash that the row ought to have.
    pub fn computed_hash(&self) -> String {
        // A JSON array is unambiguous where joined texts are not ("a" + "bc" is "ab" + "c").
        let body =
            serde_json::json!([self.previous, self.seq, self.run, self.epoch, self.at, self.who, self.what]);
        hex::encode(Sha256::digest(body.to_string()))
    }
}

/// Where the chain is broken, or `None`.
pub fn first_break(entries: &[Entry]) -> Option<i64> {
    let mut previous: Option<&Entry> = None;
    for entry in entries {
        let follows = match previous {
            None => entry.seq == 1 && entry.previous.is_empty(),
            Some(p) => entry.seq == p.seq + 1 && entry.previous == p.hash,
        };
        if !follows || entry.hash != entry.computed_hash() {
            return Some(entry.seq);
        }
        previous = Some(entry);
    }
    None
}

/// Where a run is, by its journal.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The phase.
    pub phase: Phase,
    /// By step id; a step that is not there never began.
    pub steps: BTreeMap<String, StepState>,
    /// The phase in which it got stuck, and the question.
    pub stuck: Option<(Phase, Option<Question>)>,
    /// The last failure.
    pub failure: Option<String>,
}

/// Where a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Began and did not end: the catalog must be asked.
    Began,
    /// Ended.
    Ended,
    /// Failed and left nothing behind: it may begin again.
    Failed,
}

impl Default for State {
    fn default() -> Self {
        Self { phase: Phase::Requested, steps: BTreeMap::new(), stuck: None, failure: None }
    }
}

impl State {
    fn follow(&mut self, on: Event) -> Result<(), Illegal> {
        let from = self.phase;
        self.phase = from.next(on)?;
        self.stuck = match self.phase {
            Phase::Stuck => Some((from, self.stuck.take().and_then(|(_, question)| question))),
            _ => None,
        };
        Ok(())
    }
}

/// Replays the rows of one run.
pub fn fold<'a>(entries: impl IntoIterator<Item = &'a What>) -> Result<State, Illegal> {
    let mut state = State::default();
    for what in entries {
        match what {
            What::Moved { .. } | What::Passed { .. } => {
                for on in what.moves() {
                    state.follow(*on)?;
                }
            }
            What::Began { step } => {
                state.steps.insert(step.clone(), StepState::Began);
            }
            What::Ended { step, .. } => {
                state.steps.insert(step.clone(), StepState::Ended);
            }
            What::Failed { step, why } => {
                state.steps.insert(step.clone(), StepState::Failed);
                state.failure = Some(why.clone());
            }
            What::Asked { question, .. } => state.stuck = Some((state.phase, Some(question.clone()))),
            What::BackedUp { .. } | What::Noted { .. } | What::Approved { .. } | What::Awaited { .. } => {}
        }
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(from: Phase, on: Event) -> What {
        What::Moved { from, on, to: from.next(on).unwrap() }
    }

    fn chain(whats: Vec<What>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for what in whats {
            let previous = entries.last().map(|e| e.hash.clone()).unwrap_or_default();
            let seq = entries.len() as i64 + 1;
            entries.push(Entry::chained(seq, Uuid::nil(), 1, "t".into(), "me".into(), what, &previous));
        }
        entries
    }

    #[test]
    fn folding_gives_phase_and_steps() {
        let state = fold(&[
            moved(Phase::Requested, Event::PlanAccepted),
            moved(Phase::Planned, Event::ChecksPassed),
            What::Began { step: "1".into() },
            What::Ended { step: "1".into(), how: "performed".into(), ms: None },
            What::Began { step: "2".into() },
        ])
        .unwrap();
        assert_eq!(state.phase, Phase::Expanding);
        assert_eq!(state.steps["1"], StepState::Ended);
        assert_eq!(state.steps["2"], StepState::Began);
    }

    #[test]
    fn phases_that_are_passed_together_fold_as_if_each_had_its_row() {
        let way = Phase::Requested.way_to(Phase::Done).unwrap();
        let together = What::Passed { from: Phase::Requested, on: way.clone(), to: Phase::Done };
        let mut phase = Phase::Requested;
        let mut apart = Vec::new();
        for on in way {
            apart.push(moved(phase, on));
            phase = phase.next(on).unwrap();
        }
        assert_eq!(fold([&together]).unwrap(), fold(&apart).unwrap());
        let illegal = vec![Event::PlanAccepted, Event::Swapped];
        let row = What::Passed { from: Phase::Requested, on: illegal, to: Phase::Watching };
        assert!(fold([&row]).is_err());
    }

    #[test]
    fn rows_are_a_file_format() {
        for (row, text) in [
            (
                moved(Phase::Requested, Event::PlanAccepted),
                r#"{"what":"moved","from":"Requested","on":"PlanAccepted","to":"Planned"}"#,
            ),
            (
                What::Passed {
                    from: Phase::Requested,
                    on: vec![Event::PlanAccepted, Event::ChecksPassed],
                    to: Phase::Expanding,
                },
                r#"{"what":"passed","from":"Requested","on":["PlanAccepted","ChecksPassed"],"to":"Expanding"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&row).unwrap(), text);
            assert_eq!(serde_json::from_str::<What>(text).unwrap(), row);
        }
    }

    #[test]
    fn a_stuck_run_remembers_where_and_why() {
        let question = Question { what: "did it end?".into(), look_at: "the log".into() };
        let state = fold(&[
            moved(Phase::Requested, Event::PlanAccepted),
            moved(Phase::Planned, Event::ChecksPassed),
            What::Asked { step: "1".into(), question: question.clone() },
            moved(Phase::Expanding, Event::OutcomeUnknown),
        ])
        .unwrap();
        assert_eq!(state.stuck, Some((Phase::Expanding, Some(question))));
    }

    #[test]
    fn an_illegal_row_is_an_error() {
        let row = What::Moved { from: Phase::Requested, on: Event::Swapped, to: Phase::Watching };
        assert!(fold(&[row]).is_err());
    }

    #[test]
    fn a_changed_removed_or_reordered_row_breaks_the_chain() {
        let whats = || (0..4).map(|n| What::Noted { text: n.to_string() }).collect();
        assert_eq!(first_break(&chain(whats())), None);
        let mut changed = chain(whats());
        changed[1].who = "someone else".into();
        assert_eq!(first_break(&changed), Some(2));
        let mut removed = chain(whats());
        removed.remove(2);
        assert_eq!(first_break(&removed), Some(4));
        let mut swapped = chain(whats());
        swapped.swap(1, 2);
        assert!(first_break(&swapped).is_some());
    }
}
