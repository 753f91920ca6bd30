//! What a statement costs on MySQL and MariaDB: by which algorithm the server carries it out, whom it keeps out
//! meanwhile, and whether it writes the whole table anew.
//!
//! The facts are [`OPERATIONS`]: data, by server and version, each with its source. A statement is as heavy as the
//! heaviest of its clauses. Where neither text nor facts decide, the heavier answer is given; and what is written into a
//! plan asks for its algorithm by name ([`asked_by_name`]), so that a server for which the answer is wrong refuses the
//! statement in place of blocking the table.
//!
//! Each statement also waits for the metadata lock at its beginning and at its end: for a moment nobody reads or writes,
//! and everybody waits behind it as long as a transaction is open that used the table. That is not in the table, because
//! it is true of every row.

mod ask;
mod classify;
mod operations;
mod page;
mod types;

use cofferdam_core::change::Change;
use cofferdam_core::{Action, Facts};

use super::Flavour;

pub use ask::asked_by_name;
pub use classify::{Found, keys_unchecked};
pub use operations::{OPERATIONS, Operation, Row, Since};
pub use page::page;
pub use types::{TypeChange, type_change};

/// How a server carries out an `ALTER TABLE`, from the lightest to the heaviest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Nothing but the dictionary is written.
    Instant,
    /// An index is built or dropped; the rows stay where they are. MariaDB's word; MySQL calls it INPLACE, too.
    NoCopy,
    /// Within the storage engine, which may write the rows anew.
    InPlace,
    /// Row by row into another table.
    Copy,
}

impl Algorithm {
    /// The word behind `ALGORITHM =`.
    pub fn word(self, flavour: Flavour) -> &'static str {
        match self {
            Algorithm::Instant => "INSTANT",
            Algorithm::NoCopy if flavour == Flavour::MariaDb => "NOCOPY",
            Algorithm::NoCopy | Algorithm::InPlace => "INPLACE",
            Algorithm::Copy => "COPY",
        }
    }
}

/// What others cannot do meanwhile, as the word behind `LOCK =` says it: the weakest that the server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// Others read and write.
    None,
    /// Others read.
    Shared,
    /// Nobody does either.
    Exclusive,
}

impl Lock {
    /// The word behind `LOCK =`.
    pub fn word(self) -> &'static str {
        match self {
            Lock::None => "NONE",
            Lock::Shared => "SHARED",
            Lock::Exclusive => "EXCLUSIVE",
        }
    }
}

/// How heavy something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// How it is done.
    pub algorithm: Algorithm,
    /// Whom it keeps out while it works.
    pub lock: Lock,
    /// Every row is written anew, and every index: it takes as long as that, needs the room for a second table, and
    /// replicas do the same after it.
    pub rebuilds: bool,
    /// It reads every row, to build an index of them.
    pub builds: bool,
}

impl Class {
    /// The heavier of both in each respect: one clause decides for its whole statement.
    pub fn with(self, other: Class) -> Class {
        Class {
            algorithm: self.algorithm.max(other.algorithm),
            lock: self.lock.max(other.lock),
            rebuilds: self.rebuilds || other.rebuilds,
            builds: self.builds || other.builds,
        }
    }

    /// Others can do everything, but for the moments at its beginning and its end.
    pub fn online(self) -> bool {
        self.lock == Lock::None
    }

    /// In words, as servers write it: `ALGORITHM=INPLACE, LOCK=NONE`.
    pub fn words(self, flavour: Flavour) -> String {
        format!("ALGORITHM={}, LOCK={}", self.algorithm.word(flavour), self.lock.word())
    }
}

/// A server, as far as the table of locks needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// MySQL or MariaDB.
    pub flavour: Flavour,
    /// As it counts: 80036 is 8.0.36, 101119 is 10.11.19.
    pub version: u32,
}

impl Server {
    /// The server of the facts; where there are none, the oldest that is still maintained.
    pub fn of(flavour: Flavour, facts: Option<&Facts>) -> Self {
        let version = facts.map(|f| f.server.version).filter(|version| *version > 0);
        Self { flavour, version: version.unwrap_or_else(|| flavour.assumed_version()) }
    }
}

/// What one statement takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effect {
    /// The operations that it consists of, in the order of its clauses.
    pub found: Vec<Found>,
    /// The heaviest of them in each respect; `None`: it does nothing to a table that others use.
    pub class: Option<Class>,
    /// What it does is not in its text, or not understood: a clause that is not known counts as COPY.
    pub unread: bool,
}

/// What a statement takes on a server. `facts` tell what the text cannot: the old type of a column, its indexes.
pub fn effect(change: &Change, facts: Option<&Facts>, server: Server) -> Effect {
    effect_after(&[], change, facts, server)
}

/// As [`effect`], after other statements of the same session: with `foreign_key_checks` switched off a foreign key is added
/// without a look at the rows.
pub fn effect_after(earlier: &[Change], change: &Change, facts: Option<&Facts>, server: Server) -> Effect {
    let mut found = classify::found(change, facts, server.flavour);
    let adds_key = found.iter().any(|f| f.operation == Operation::AddForeignKey);
    if adds_key && keys_unchecked(earlier, server.flavour) {
        for one in found.iter_mut().filter(|f| f.operation == Operation::AddForeignKey) {
            one.operation = Operation::AddForeignKeyUnchecked;
        }
    }
    let class = found.iter().filter_map(|f| f.operation.class(server)).reduce(Class::with);
    let unread = found.iter().any(|f| f.operation == Operation::NotKnown)
        || matches!(
            change.action,
            Action::Do | Action::Call | Action::Other { .. } | Action::Unparsed { .. }
        );
    Effect { found, class, unread }
}

#[cfg(test)]
mod tests;
