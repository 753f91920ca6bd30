//! The life of a run: its phases, what may happen in each, and nothing else.
//!
//! [`TABLE`] is the only place that decides. A pair that is not in it is an error, never a silent `Ok`. A phase
//! without steps is passed by its success event, so that every strategy walks the same way.

use serde::{Deserialize, Serialize};

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Asked for; no plan yet.
    Requested,
    /// Planned; waits for checks, approval.
    Planned,
    /// Adds what the change needs. Everything here can be undone.
    Expanding,
    /// Copies and keeps in sync.
    Copying,
    /// Compares both sides.
    Verifying,
    /// Waits for the gate: `--cutover manual`, a window.
    Ready,
    /// Swaps.
    CuttingOver,
    /// Watches the application after the swap.
    Watching,
    /// Removes what is no longer needed. No way back.
    Contracting,
    /// Takes back what was done.
    RollingBack,
    /// Ended: the change is there.
    Done,
    /// Ended: the change is not there and nothing of it is left.
    RolledBack,
    /// Ended: it never began.
    Refused,
    /// A person must state a fact.
    Stuck,
}

/// What can happen to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "each is the past tense of what its phase does, or a fact that a person states"
)]
pub enum Event {
    PlanAccepted,
    PlanRefused,
    ChecksPassed,
    ChecksFailed,
    Expanded,
    Copied,
    Matched,
    Diverged,
    GateOpened,
    Swapped,
    Healthy,
    Regressed,
    Contracted,
    Reverted,
    /// The swap could not be taken back, and nothing of it was.
    RevertRefused,
    StepFailed,
    DeadlinePassed,
    CancelAsked,
    OutcomeUnknown,
    SaysStepDone,
    SaysStepNotDone,
    SaysNotSwapped,
    SaysSwapped,
    SaysContractBegan,
    SaysContractStepDone,
    SaysContracted,
    SaysReverted,
}

/// From a phase, by an event, to a phase.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Where the run is.
    pub from: Phase,
    /// What happened.
    pub on: Event,
    /// Where it is then.
    pub to: Phase,
}

const fn row(from: Phase, on: Event, to: Phase) -> Row {
    Row { from, on, to }
}

/// Every transition that there is.
pub const TABLE: &[Row] = {
    use Event::*;
    use Phase::*;
    &[
        row(Requested, PlanAccepted, Planned),
        row(Requested, PlanRefused, Refused),
        row(Requested, CancelAsked, Refused),
        row(Planned, ChecksPassed, Expanding),
        row(Planned, ChecksFailed, Refused),
        row(Planned, CancelAsked, Refused),
        row(Expanding, Expanded, Copying),
        row(Expanding, StepFailed, RollingBack),
        row(Expanding, DeadlinePassed, RollingBack),
        row(Expanding, CancelAsked, RollingBack),
        row(Expanding, OutcomeUnknown, Stuck),
        row(Copying, Copied, Verifying),
        row(Copying, StepFailed, RollingBack),
        row(Copying, DeadlinePassed, RollingBack),
        row(Copying, CancelAsked, RollingBack),
        row(Verifying, Matched, Ready),
        row(Verifying, Diverged, RollingBack),
        row(Verifying, StepFailed, RollingBack),
        row(Verifying, DeadlinePassed, RollingBack),
        row(Verifying, CancelAsked, RollingBack),
        row(Ready, GateOpened, CuttingOver),
        row(Ready, DeadlinePassed, RollingBack),
        row(Ready, CancelAsked, RollingBack),
        row(CuttingOver, Swapped, Watching),
        row(CuttingOver, StepFailed, RollingBack),
        row(CuttingOver, OutcomeUnknown, Stuck),
        row(Watching, Healthy, Contracting),
        row(Watching, Regressed, RollingBack),
        row(Watching, CancelAsked, RollingBack),
        row(Contracting, Contracted, Done),
        row(Contracting, StepFailed, Stuck),
        row(Contracting, OutcomeUnknown, Stuck),
        row(RollingBack, Reverted, RolledBack),
        // Only of a swap that stands: the run is in its revert window as before.
        row(RollingBack, RevertRefused, Watching),
        row(RollingBack, StepFailed, Stuck),
        row(RollingBack, OutcomeUnknown, Stuck),
        // A person states a fact, never a command. FACTS says which fact fits where.
        row(Stuck, SaysStepDone, Expanding),
        row(Stuck, SaysStepNotDone, Expanding),
        row(Stuck, SaysNotSwapped, RollingBack),
        row(Stuck, SaysSwapped, Watching),
        row(Stuck, SaysContractBegan, Contracting),
        row(Stuck, SaysContractStepDone, Contracting),
        row(Stuck, SaysContracted, Done),
        row(Stuck, SaysReverted, RolledBack),
    ]
};

/// Which facts a person may state, by the phase in which the run got stuck: a run that began to contract must
/// not come back to a phase from which it could roll back.
pub const FACTS: &[(Phase, &[Event])] = &[
    (Phase::Expanding, &[Event::SaysStepDone, Event::SaysStepNotDone]),
    (Phase::CuttingOver, &[Event::SaysSwapped, Event::SaysNotSwapped]),
    (Phase::Contracting, &[Event::SaysContractBegan, Event::SaysContractStepDone, Event::SaysContracted]),
    (Phase::RollingBack, &[Event::SaysNotSwapped, Event::SaysReverted]),
];

/// The way that a run without failures takes, from the first phase to the last.
pub const WAY: &[(Phase, Event)] = &[
    (Phase::Requested, Event::PlanAccepted),
    (Phase::Planned, Event::ChecksPassed),
    (Phase::Expanding, Event::Expanded),
    (Phase::Copying, Event::Copied),
    (Phase::Verifying, Event::Matched),
    (Phase::Ready, Event::GateOpened),
    (Phase::CuttingOver, Event::Swapped),
    (Phase::Watching, Event::Healthy),
    (Phase::Contracting, Event::Contracted),
];

/// A pair that is not in [`TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{on:?} cannot happen in phase {from:?}")]
pub struct Illegal {
    /// Where the run was.
    pub from: Phase,
    /// What was said to have happened.
    pub on: Event,
}

impl Phase {
    /// The phase after `on`.
    pub fn next(self, on: Event) -> Result<Phase, Illegal> {
        TABLE.iter().find(|r| r.from == self && r.on == on).map(|r| r.to).ok_or(Illegal { from: self, on })
    }

    /// No event leads out of it.
    pub fn terminal(self) -> bool {
        !TABLE.iter().any(|r| r.from == self)
    }

    /// The events that lead from here to `to` without a failure, in order; empty where it is here already.
    /// `None` where `to` does not lie ahead.
    pub fn way_to(self, to: Phase) -> Option<Vec<Event>> {
        let mut phase = self;
        let mut events = Vec::new();
        while phase != to {
            let (_, on) = WAY.iter().find(|(p, _)| *p == phase)?;
            phase = phase.next(*on).ok()?;
            events.push(*on);
        }
        Some(events)
    }

    /// The fact `says` may be stated of a run that got stuck in this phase.
    pub fn takes_fact(self, says: Event) -> bool {
        FACTS.iter().any(|(stuck_in, facts)| *stuck_in == self && facts.contains(&says))
    }
}

/// The table as a Mermaid state diagram, for the docs.
pub fn diagram() -> String {
    let mut out = String::from("stateDiagram-v2\n    [*] --> Requested\n");
    for r in TABLE {
        out += &format!("    {:?} --> {:?}: {:?}\n", r.from, r.to, r.on);
    }
    let mut ends: Vec<Phase> = Vec::new();
    for r in TABLE {
        if r.to.terminal() && !ends.contains(&r.to) {
            ends.push(r.to);
            out += &format!("    {:?} --> [*]\n", r.to);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use Phase::*;

    const ALL: &[Phase] = &[
        Requested,
        Planned,
        Expanding,
        Copying,
        Verifying,
        Ready,
        CuttingOver,
        Watching,
        Contracting,
        RollingBack,
        Done,
        RolledBack,
        Refused,
        Stuck,
    ];

    fn human(e: Event) -> bool {
        format!("{e:?}").starts_with("Says")
    }

    #[test]
    fn no_pair_stands_twice() {
        let mut seen = HashSet::new();
        assert!(TABLE.iter().all(|r| seen.insert((r.from, r.on))));
    }

    #[test]
    fn every_phase_is_reachable_and_every_phase_can_end() {
        let mut reached = HashSet::from([Requested]);
        for _ in ALL {
            reached
                .extend(TABLE.iter().filter(|r| reached.contains(&r.from)).map(|r| r.to).collect::<Vec<_>>());
        }
        assert_eq!(reached.len(), ALL.len());
        for &phase in ALL {
            let mut from = HashSet::from([phase]);
            for _ in ALL {
                from.extend(
                    TABLE.iter().filter(|r| from.contains(&r.from)).map(|r| r.to).collect::<Vec<_>>(),
                );
            }
            assert!(from.iter().any(|p| p.terminal()), "{phase:?} cannot end");
        }
    }

    #[test]
    fn only_the_three_ends_are_ends() {
        let ends: Vec<_> = ALL.iter().filter(|p| p.terminal()).collect();
        assert_eq!(ends, [&Done, &RolledBack, &Refused]);
    }

    #[test]
    fn nothing_leads_out_of_contracting_by_itself_but_to_done_or_stuck() {
        for r in TABLE.iter().filter(|r| r.from == Contracting && !human(r.on)) {
            assert!(matches!(r.to, Done | Stuck), "{r:?}");
        }
    }

    #[test]
    fn every_phase_from_expanding_to_watching_can_roll_back() {
        for phase in [Expanding, Copying, Verifying, Ready, CuttingOver, Watching] {
            assert!(TABLE.iter().any(|r| r.from == phase && r.to == RollingBack), "{phase:?}");
        }
    }

    #[test]
    fn every_phase_that_can_get_stuck_has_facts_and_each_fact_leads_on() {
        for r in TABLE.iter().filter(|r| r.to == Stuck) {
            let facts = FACTS.iter().find(|(p, _)| *p == r.from).expect("facts for the phase").1;
            assert!(facts.iter().all(|f| human(*f) && Stuck.next(*f).is_ok()));
        }
    }

    #[test]
    fn no_fact_brings_a_contracting_run_to_where_it_could_roll_back() {
        for fact in FACTS.iter().find(|(p, _)| *p == Contracting).unwrap().1 {
            assert!(matches!(Stuck.next(*fact).unwrap(), Contracting | Done));
        }
    }

    #[test]
    fn the_way_is_in_the_table_and_ends() {
        assert_eq!(Requested.way_to(Done).unwrap().len(), WAY.len());
        assert_eq!(Expanding.way_to(Expanding), Some(vec![]));
        assert_eq!(Done.way_to(Expanding), None);
    }

    #[test]
    fn a_pair_that_is_not_there_is_an_error() {
        assert_eq!(Done.next(Event::Swapped), Err(Illegal { from: Done, on: Event::Swapped }));
    }
}
