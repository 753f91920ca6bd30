//! From changes to a plan. Pure: what the database says comes in as [`Facts`].

use std::collections::BTreeSet;

use cofferdam_core::bundle::Migration;
use cofferdam_core::online::{Capture, Examined, Gate, Proof};
use cofferdam_core::plan::Plan;
use cofferdam_core::{Facts, Limits, Name, Online, Refusal};
use cofferdam_dialects::Parsed;

pub mod back;
mod clauses;
mod direct;
mod mysql;
pub mod park;
mod parts;
pub mod shadow_table;
mod title;
mod transaction;

pub use parts::{About, online_plan};
pub use title::title;

/// What is to be planned.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// Its `up`, read.
    pub parsed: &'a Parsed,
    /// Its `check`, read.
    pub check: Option<&'a Parsed>,
    /// What the database says.
    pub facts: &'a Facts,
    /// Tables that earlier pending migrations create: nobody uses them yet.
    pub created: &'a BTreeSet<Name>,
    /// Statements stay as they are written.
    pub as_written: bool,
    /// Limits of every step.
    pub limits: Limits,
    /// What was found out about the tables that [`shadow_table::to_examine`] named.
    pub examined: &'a [(Name, Examined)],
    /// What is wanted beyond the statements.
    pub wishes: &'a Wishes,
}

/// What is wanted beyond what the statements say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// How keys of changed rows are learned.
    pub capture: Capture,
    /// When the tables may be swapped.
    pub gate: Gate,
    /// At most so many connections; 0: the engine chooses.
    pub workers: u32,
    /// Why values may get lost, where somebody agreed to it.
    pub allow_loss: Option<String>,
    /// How much of both sides is compared.
    pub proof: Proof,
    /// What statements drop is put aside for so many seconds; `None`: it is dropped.
    pub park: Option<u64>,
}

impl Wishes {
    /// A change that was planned, as it would be made by these wishes.
    pub fn of(&self, planned: &Online) -> Online {
        let (capture, gate, workers) = (self.capture, self.gate.clone(), self.workers);
        Online { capture, gate, workers, proof: self.proof.clone(), ..planned.clone() }
    }
}

/// A way to carry out a migration.
#[derive(Debug)]
pub struct Strategy {
    /// Its id, as in `--strategy`.
    pub id: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Whether `auto` may pick it for this.
    pub fits: fn(&Subject<'_>) -> bool,
    /// The plan.
    pub plan: fn(&Subject<'_>) -> Result<Plan, Box<Refusal>>,
}

/// Every strategy, in the order in which `auto` asks them.
pub static STRATEGIES: &[&Strategy] = &[&shadow_table::STRATEGY, &direct::STRATEGY];

/// Plans with the strategy of this id, or, for `auto`, with the first that fits.
pub fn plan(strategy: &str, subject: &Subject<'_>) -> Result<Plan, Box<Refusal>> {
    if let Some(flavour) = cofferdam_dialects::mysql::Flavour::of(subject.parsed.engine)
        && (strategy == "direct" || strategy == "auto" && !(shadow_table::STRATEGY.fits)(subject))
    {
        return mysql::plan(subject, flavour);
    }
    let chosen = STRATEGIES.iter().find(|s| s.id == strategy || (strategy == "auto" && (s.fits)(subject)));
    match chosen {
        Some(strategy) => (strategy.plan)(subject),
        None => {
            let known: Vec<&str> = STRATEGIES.iter().map(|s| s.id).collect();
            Err(Box::new(
                Refusal::new(cofferdam_core::Code::Usage, format!("there is no strategy {strategy:?}"))
                    .help(format!("one of: auto, {}", known.join(", "))),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_described() {
        let ids: BTreeSet<_> = STRATEGIES.iter().map(|s| s.id).collect();
        assert_eq!(ids.len(), STRATEGIES.len());
        assert!(STRATEGIES.iter().all(|s| !s.about.is_empty()));
    }
}
