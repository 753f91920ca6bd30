//! Rehearsing: a database of one's own that has the schema of another, and what statements are seen to do in it.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use cofferdam_core::fault::Result;
use cofferdam_core::plan::Step;
use cofferdam_core::{Facts, Name};

use crate::{Session, Target};

/// One thing of a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Object {
    /// What it is called: `column public.orders.note`. No two of a schema have the same.
    pub name: String,
    /// What it is, so that equal texts mean equal things: `text NOT NULL`.
    pub is: String,
    /// What makes it, where it is not made along with another (a column with its table). In the order of the list they
    /// can mostly be run one after the other.
    #[serde(skip)]
    pub make: Vec<String>,
    /// It cannot be made anew by us: an aggregate, a foreign table.
    #[serde(skip)]
    pub foreign: bool,
}

/// What one statement was seen to do. Only what was there before it counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deed {
    /// The strongest lock on each relation that the transaction did not hold before, by the relation's name, as
    /// PostgreSQL writes it: `ACCESS EXCLUSIVE`.
    pub locks: Vec<(String, String)>,
    /// Locks that earlier statements of the same transaction left, by the relation's name.
    pub held: Vec<(String, String)>,
    /// The locks were seen. A statement outside of a transaction gives them back before its answer comes, and may be
    /// too quick to be looked at.
    pub locks_seen: bool,
    /// Tables and indexes whose rows are in other files than before.
    pub rewritten: Vec<String>,
    /// Rows that were read one after the other, by table.
    pub read: Vec<(String, u64)>,
    /// Bytes of write-ahead log. `None`: others write to the server, too, or it cannot be told.
    pub wal_bytes: Option<u64>,
}

/// A difference between two schemas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// See [`Object::name`].
    pub name: String,
    /// What it was; `None`: it was not there.
    pub before: Option<String>,
    /// What it is; `None`: it is gone.
    pub after: Option<String>,
}

/// What differs, by name.
pub fn differences(before: &[Object], after: &[Object]) -> Vec<Difference> {
    use std::collections::BTreeMap;
    let by_name = |objects: &[Object]| -> BTreeMap<String, String> {
        objects.iter().map(|object| (object.name.clone(), object.is.clone())).collect()
    };
    let (was, is) = (by_name(before), by_name(after));
    let names: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    names
        .into_iter()
        .filter(|name| was.get(*name) != is.get(*name))
        .map(|name| Difference {
            name: name.clone(),
            before: was.get(name).cloned(),
            after: is.get(name).cloned(),
        })
        .collect()
}

/// One round of a rehearsal in a transaction: what each of its steps did, and the schema after it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Round {
    /// In the order of the steps: what was seen, and for how many milliseconds it ran.
    pub deeds: Vec<(Deed, u64)>,
    /// The schema after the last of them.
    pub schema: Vec<Object>,
}

/// What could not be carried over to a copy, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotCarried {
    /// See [`Object::name`].
    pub name: String,
    /// In the server's words, or ours.
    pub why: String,
}

/// A database that was made for a rehearsal, and goes with it.
#[async_trait]
pub trait Stage: Send {
    /// A session with it, as any other session.
    async fn open(&self, application: &str) -> Result<Box<dyn Session>>;

    /// Makes these objects. What cannot be made is returned, and the rest is made all the same. `roles` that are not
    /// there are made, too, without a right to anything: of a server that is used by others none should be named.
    async fn build(&mut self, schema: &[Object], roles: &[String]) -> Result<Vec<NotCarried>>;

    /// Brings at most so many rows of each of these tables from the database at `from`, and those that they refer to.
    /// Reads there in one snapshot, and for a bounded time. How many rows came.
    async fn sample(&mut self, from: &Target, tables: &[Name], most: u32) -> Result<u64>;

    /// Says in the catalog that the tables have as many rows and pages as these facts say. What could not be said, and
    /// why.
    async fn count(&mut self, facts: &Facts) -> Result<Vec<NotCarried>>;

    /// Drops the database. Nothing of it is left.
    async fn end(&mut self) -> Result<()>;
}

/// What [`Session::try_out`] is asked for.
#[derive(Debug, Clone)]
pub struct Trial<'a> {
    /// The rounds, each with its steps.
    pub rounds: Vec<Vec<&'a Step>>,
    /// How long each statement may run.
    pub statement: Duration,
    /// How long each statement waits for a lock.
    pub lock: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_what_went_and_what_changed() {
        let object = |name: &str, is: &str| Object {
            name: name.into(),
            is: is.into(),
            make: Vec::new(),
            foreign: false,
        };
        let before = [object("column t.a", "text"), object("column t.b", "int"), object("table t", "table")];
        let after = [object("table t", "table"), object("column t.b", "bigint"), object("index t_b", "x")];
        let found = differences(&before, &after);
        let told: Vec<(&str, bool, bool)> =
            found.iter().map(|d| (d.name.as_str(), d.before.is_some(), d.after.is_some())).collect();
        assert_eq!(
            told,
            [("column t.a", true, false), ("column t.b", true, true), ("index t_b", false, true)]
        );
        assert!(differences(&before, &before).is_empty());
    }
}
