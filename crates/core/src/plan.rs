//! What is going to happen, written down before it does.
//!
//! A plan is pure data and a file format: it is stored whole in the target database when its run begins, and a
//! runner of a later time goes on with the stored one. `Act` and `Probe` are therefore closed enums.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::change::Span;
use crate::ident::Name;
use crate::limits::Limits;
use crate::online::{Online, Part};
use crate::park::{Deed, Parking};
use crate::run::Phase;
use crate::text::Text;

/// SHA-256 in hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The way of one migration: its steps in order, grouped by what commits together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The strategy's id, `direct`.
    pub strategy: String,
    /// What identifies the migration in the history.
    pub key: String,
    /// The migration's description.
    pub description: String,
    /// It applies the migration, or takes it back.
    pub intent: Intent,
    /// In order.
    pub units: Vec<Unit>,
    /// What taking this plan's steps would lose, for a person to agree to. Only plans that destroy have any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<String>,
}

/// Whether a plan applies a migration or takes it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intent {
    /// Apply.
    Apply,
    /// Take back.
    Undo,
}

/// Steps that commit together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// In one transaction with their journal rows. Else it holds exactly one step, which runs outside of any
    /// transaction, between its *began* and its *ended*.
    pub atomic: bool,
    /// In order.
    pub steps: Vec<Step>,
}

/// One act with its undo, its limits and what it does to others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// `1`, `2`, `2a` ...: the statement's number in the script, with a letter where it became a sequence.
    pub id: String,
    /// The phase it belongs to. Within a plan phases never go back.
    pub phase: Phase,
    /// What it does, in a few words: "create index concurrently ix_orders_note".
    pub title: String,
    /// What is done.
    pub act: Act,
    /// How the catalog tells whether it happened. Asked of steps outside a transaction: after a crash, and before one that
    /// makes something, which must not be there yet.
    pub probe: Probe,
    /// How it is taken back.
    pub undo: Undo,
    /// Under which limits.
    pub limits: Limits,
    /// The lock it takes, as PostgreSQL names it; empty: none on a table.
    pub lock: String,
    /// Whom it blocks and for how long: "<10 ms", "writes for about 40 s", "nothing".
    pub blocks: String,
    /// How long it takes: "instant", "about 4 min", "not known".
    pub estimate: String,
    /// The script and where in it, to show the place when it fails.
    pub path: String,
    /// See `path`.
    pub at: Span,
}

/// What is done. Closed: it is a file format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "act")]
pub enum Act {
    /// One SQL statement.
    Sql {
        /// Its text, without `;`.
        sql: Text,
        /// The rows of a `COPY ... FROM stdin`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        copy_rows: Option<Text>,
    },
    /// `CREATE INDEX CONCURRENTLY`, with what a failed try left behind removed first.
    BuildIndex {
        /// The index, in its table's schema.
        index: Name,
        /// The whole statement.
        sql: Text,
    },
    /// Queries that must return no row.
    Check {
        /// The queries.
        queries: Vec<String>,
    },
    /// A part of an online change.
    Online {
        /// The change.
        change: Box<Online>,
        /// Which part of it.
        part: Part,
    },
    /// Something is put aside in place of being dropped, or what was put aside is brought back or dropped for good.
    Park {
        /// What it is.
        parking: Box<Parking>,
        /// What is done with it.
        deed: Deed,
    },
}

impl Act {
    /// An SQL statement without rows.
    pub fn sql(sql: impl Into<Text>) -> Self {
        Act::Sql { sql: sql.into(), copy_rows: None }
    }

    /// The SQL text to show.
    pub fn text(&self) -> String {
        match self {
            Act::Sql { sql, .. } | Act::BuildIndex { sql, .. } => sql.to_string(),
            Act::Check { queries } => queries.join(";\n"),
            Act::Online { change, part } => format!("{} {}: {}", part.word(), change.table, change.clauses),
            // What the statement would have done, which is how a person finds it in the script.
            Act::Park { parking, deed: Deed::Park } => parking.sql.to_string(),
            Act::Park { parking, deed } => format!("{} {}", deed.word(), parking.object),
        }
    }
}

/// A question to the catalog: did this happen? Closed: it is a file format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "probe")]
#[allow(missing_docs, reason = "each is a sentence: the index is valid, the column is there with that type")]
pub enum Probe {
    /// The index exists and is valid. Exists but invalid is `Partly`.
    IndexValid {
        index: Name,
    },
    IndexAbsent {
        index: Name,
    },
    /// The table has an index of this name, or has none. Where names of indexes belong to their tables.
    IndexOf {
        table: Name,
        index: String,
        there: bool,
    },
    /// `ty` as the server prints it, where it matters.
    ColumnThere {
        table: Name,
        column: String,
        ty: Option<String>,
    },
    ColumnAbsent {
        table: Name,
        column: String,
    },
    ColumnNotNull {
        table: Name,
        column: String,
        not_null: bool,
    },
    /// `validated`: it must also have been validated.
    ConstraintThere {
        table: Name,
        constraint: String,
        validated: bool,
    },
    ConstraintAbsent {
        table: Name,
        constraint: String,
    },
    RelationThere {
        relation: Name,
    },
    RelationAbsent {
        relation: Name,
    },
    EnumValueThere {
        ty: Name,
        value: String,
    },
    DatabaseThere {
        database: String,
        there: bool,
    },
    /// The partition hangs on its parent, or does not any more.
    PartitionOf {
        parent: Name,
        partition: Name,
        attached: bool,
    },
    /// The part of the online change was done.
    OnlineDone {
        change: Box<Online>,
        part: Part,
    },
    /// It changes the session and not the database (`SET search_path`): a runner that goes on with the run does
    /// it again before anything else.
    Session,
    /// Doing it twice is the same as doing it once (VACUUM, ANALYZE, REFRESH): so it is simply done again.
    Repeatable,
    /// The catalog cannot tell. After a crash a person is asked.
    Nothing,
}

/// What the catalog answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It did not happen.
    NotDone,
    /// It happened in part; the text says what is there (an INVALID index). Performing again repairs it.
    Partly(String),
    /// It happened.
    Done,
    /// The catalog cannot tell.
    Unclear(crate::fault::Question),
}

/// How a step is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "undo")]
pub enum Undo {
    /// Nothing to take back: the step changes no schema and no rows (ANALYZE), or an `IF NOT EXISTS` found it.
    Nothing,
    /// By these acts, in order.
    Acts {
        /// What is done.
        acts: Vec<Act>,
        /// Each act in a transaction of its own with its journal row; else outside of any.
        atomic: bool,
        /// What is lost by it beside the step's own effect: "the rows of orders". `None`: nothing.
        loses: Option<String>,
    },
    /// There is no way back. May stand only in `Contracting`.
    Impossible {
        /// Why: "the rows of orders.legacy are gone".
        why: String,
    },
}

/// Why a plan is not a plan. A mistake of a strategy, so it becomes a `Bug`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Step ids name journal rows.
    #[error("two steps are called {0}")]
    DuplicateStep(String),
    /// The point of no return is a place, not a flag.
    #[error("step {0} cannot be undone and stands before Contracting")]
    IrreversibleTooEarly(String),
    /// Phases go one way.
    #[error("step {0} goes back to {1:?}")]
    PhaseBack(String, Phase),
    /// Outside a transaction each step is its own unit.
    #[error("a unit outside a transaction holds {0} steps")]
    LooseUnit(usize),
}

impl Plan {
    /// Checks the rules that every plan obeys, and returns it.
    pub fn checked(self) -> Result<Self, Malformed> {
        let mut seen = std::collections::HashSet::new();
        let mut phase = Phase::Expanding;
        for unit in &self.units {
            if !unit.atomic && unit.steps.len() != 1 {
                return Err(Malformed::LooseUnit(unit.steps.len()));
            }
            for step in &unit.steps {
                if !seen.insert(step.id.as_str()) {
                    return Err(Malformed::DuplicateStep(step.id.clone()));
                }
                if phase.way_to(step.phase).is_none() {
                    return Err(Malformed::PhaseBack(step.id.clone(), step.phase));
                }
                phase = step.phase;
                if matches!(step.undo, Undo::Impossible { .. }) && phase != Phase::Contracting {
                    return Err(Malformed::IrreversibleTooEarly(step.id.clone()));
                }
            }
        }
        Ok(self)
    }

    /// All steps in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.units.iter().flat_map(|u| &u.steps)
    }

    /// The step of that id.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps().find(|s| s.id == id)
    }

    /// What identifies this plan: SHA-256 over its JSON. Approvals are bound to it.
    pub fn digest(&self) -> String {
        let mut hash = Hash(Sha256::new());
        // Serialising plain data into memory cannot fail; were it to, a part of the text gives a digest that no
        // other plan has, so an approval would be refused rather than granted.
        let _ = serde_json::to_writer(&mut hash, self);
        format!("sha256:{}", hex::encode(hash.0.finalize()))
    }
}

/// Hashes what is written: the JSON of a plan may be as large as its script, and need not be held.
struct Hash(Sha256);

impl std::io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(id: &str, phase: Phase, undo: Undo) -> Step {
        Step {
            id: id.into(),
            phase,
            title: String::new(),
            act: Act::sql("select 1"),
            probe: Probe::Nothing,
            undo,
            limits: Limits::default(),
            lock: String::new(),
            blocks: String::new(),
            estimate: String::new(),
            path: String::new(),
            at: Span::default(),
        }
    }

    fn plan(units: Vec<Unit>) -> Plan {
        Plan {
            strategy: "direct".into(),
            key: "1".into(),
            description: String::new(),
            intent: Intent::Apply,
            units,
            losses: vec![],
        }
    }

    #[test]
    fn the_rules_of_a_plan_hold() {
        let unit = |steps| Unit { atomic: true, steps };
        let gone = || Undo::Impossible { why: "gone".into() };
        assert!(plan(vec![unit(vec![step("1", Phase::Contracting, gone())])]).checked().is_ok());
        assert_eq!(
            plan(vec![unit(vec![step("1", Phase::Expanding, gone())])]).checked(),
            Err(Malformed::IrreversibleTooEarly("1".into()))
        );
        let back =
            vec![step("1", Phase::Contracting, Undo::Nothing), step("2", Phase::Expanding, Undo::Nothing)];
        assert_eq!(plan(vec![unit(back)]).checked(), Err(Malformed::PhaseBack("2".into(), Phase::Expanding)));
        let twice =
            vec![step("1", Phase::Expanding, Undo::Nothing), step("1", Phase::Expanding, Undo::Nothing)];
        assert_eq!(plan(vec![unit(twice)]).checked(), Err(Malformed::DuplicateStep("1".into())));
        assert_eq!(plan(vec![Unit { atomic: false, steps: vec![] }]).checked(), Err(Malformed::LooseUnit(0)));
    }

    #[test]
    fn the_digest_follows_the_content_and_survives_json() {
        let one = plan(vec![Unit { atomic: true, steps: vec![step("1", Phase::Expanding, Undo::Nothing)] }]);
        let again: Plan = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
        assert_eq!(one.digest(), again.digest());
        let mut other = one.clone();
        other.units[0].steps[0].act = Act::sql("select 2");
        assert_ne!(one.digest(), other.digest());
    }
}
