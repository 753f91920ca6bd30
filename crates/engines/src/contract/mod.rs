//! What every engine must pass.
//!
//! An engine's test brings a [`Harness`], which knows its words and makes empty databases; the cases know what an
//! engine promises. An engine is finished when [`run_all`] finds nothing.

use std::any::Any;

use async_trait::async_trait;
use futures::future::BoxFuture;

use cofferdam_core::plan::Act;
use cofferdam_core::{Fault, Name};

use crate::{Engine, Target};

mod batches;
mod bench;
mod beside;
mod copying;
mod fencing;
mod locking;
mod looking;
mod loose;
mod online;
mod outbox;
mod parking;
mod records;
mod rehearsing;

/// What the contract needs of an engine under test.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The engine.
    fn engine(&self) -> &dyn Engine;

    /// What the facts call its server, where that is not the engine's id.
    fn server(&self) -> &str {
        self.engine().id()
    }

    /// Its words.
    fn words(&self) -> &Dictionary;

    /// A new database without anything in it. Application and who of the target are set by the cases.
    async fn fresh(&self) -> Result<Target, Broken>;

    /// A transaction of somebody else that holds the dictionary's table, until what is returned is dropped.
    async fn hold_table(&self, target: &Target) -> Result<Box<dyn Any + Send>, Broken>;
}

/// Statements and queries in the words of one engine. Each is about one table.
#[derive(Debug, Clone)]
pub struct Dictionary {
    /// The table.
    pub table: Name,
    /// Makes it, with a column for row numbers.
    pub create_table: &'static str,
    /// Adds `column` to it.
    pub add_column: &'static str,
    /// The column.
    pub column: &'static str,
    /// Its type as the server prints it, and the name of a type that it has not.
    pub column_type: (&'static str, &'static str),
    /// Removes it.
    pub drop_column: &'static str,
    /// Adds three rows to it, whose numbers are new.
    pub insert_three: &'static str,
    /// Takes rows as they come after it, if the engine has such a statement: the statement, three rows.
    pub copy_three: Option<(&'static str, &'static str)>,
    /// A query of all its rows, with their number first.
    pub select: &'static str,
    /// A query that returns one row with a text and a NULL, each a column or a row of its own.
    pub text_and_null: &'static str,
    /// A query that takes longer than anybody waits.
    pub endless: &'static str,
    /// Fails always, and says what the second is.
    pub failing: (&'static str, &'static str),
    /// Makes its last row stand twice, and once again.
    pub double_row: &'static str,
    /// See `double_row`.
    pub single_row: &'static str,
    /// The index that `build_index` makes.
    pub index: Name,
    /// Builds it, unique, outside a transaction. Fails after `double_row` and leaves it invalid.
    pub build_index: &'static str,
    /// Removes it.
    pub drop_index: &'static str,
    /// Sets a session setting.
    pub set_setting: &'static str,
    /// Asks for it.
    pub show_setting: &'static str,
    /// Ends the transaction from within a script.
    pub end_transaction: &'static str,
    /// Makes the session lose its run lock without knowing it.
    pub lose_lock: &'static str,
    /// Statements that make a table with a key and rows, the table, and what can be done to it online. `None`: the
    /// engine has no online changes.
    pub online: Option<(&'static [&'static str], Name, &'static str)>,
}

impl Dictionary {
    fn build(&self) -> Act {
        Act::BuildIndex { index: self.index.clone(), sql: self.build_index.into() }
    }
}

/// Something that an engine promises.
pub struct Case {
    /// The promise.
    pub name: &'static str,
    /// Finds out, on databases of its own.
    pub run: for<'h> fn(&'h dyn Harness) -> BoxFuture<'h, Outcome>,
}

/// What a case found.
pub type Outcome = Result<(), Broken>;

/// How a promise was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken(pub String);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        match fault.refusal() {
            Some(refusal) if !refusal.notes.is_empty() => {
                Self(format!("unexpected: {fault}; {}", refusal.notes.join("; ")))
            }
            _ => Self(format!("unexpected: {fault}")),
        }
    }
}

impl From<String> for Broken {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The promises, by what they are about.
pub static CASES: &[&[Case]] = &[
    locking::CASES,
    batches::CASES,
    fencing::CASES,
    loose::CASES,
    records::CASES,
    looking::CASES,
    online::CASES,
    copying::CASES,
    outbox::CASES,
    beside::CASES,
    parking::CASES,
    rehearsing::CASES,
];

/// Runs every case, each to its end, and returns those that were broken.
pub async fn run_all(harness: &dyn Harness) -> Vec<(&'static str, Broken)> {
    let mut broken = Vec::new();
    for case in CASES.iter().copied().flatten() {
        if let Err(how) = (case.run)(harness).await {
            broken.push((case.name, how));
        }
    }
    broken
}
