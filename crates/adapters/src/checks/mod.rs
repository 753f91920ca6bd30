//! What is looked at before anything is changed.
//!
//! A check is data and two pure functions: what is to be asked, and how the answers are judged. Whoever asks (the
//! runner) knows the database; nothing here does. All checks are asked before any is judged, so that everything that
//! is wrong is said at once.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_core::facts::{Room, Server};
use cofferdam_core::{Code, Refusal};

mod connection;
mod custom;
mod disk_space;
mod long_transactions;
mod parse;
mod permissions;
mod pooler;
mod replication;
#[cfg(test)]
mod tests;

pub use parse::{age, bytes, parse};

/// One kind of check.
#[derive(Debug)]
pub struct Check {
    /// Its id, as in `--check`.
    pub id: &'static str,
    /// What it looks at, in one line.
    pub about: &'static str,
    /// What may stand behind its id.
    pub takes: Takes,
    /// What is to be asked of a server that speaks this dialect.
    pub asks: fn(&Asked, &str) -> Vec<Look>,
    /// What the answers mean.
    pub judge: fn(&Asked, &Found) -> Verdict,
}

/// What may stand behind the id of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A number of bytes, or nothing: `20GB`.
    Bytes,
    /// A time, or nothing: `30s`.
    Age,
    /// A query, always.
    Sql,
}

/// A check as it was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which.
    pub check: &'static Check,
    /// Tells several of one kind apart; empty: there is one.
    pub name: String,
    /// What stood behind its id.
    pub value: Value,
    /// Why it may pass where its answer cannot be read.
    pub allow_unread: Option<String>,
}

/// See [`Takes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The check's own idea.
    Default,
    /// So many bytes.
    Bytes(u64),
    /// So long.
    Age(Duration),
    /// This query.
    Sql(String),
}

impl Asked {
    /// A check without a value.
    pub fn plain(check: &'static Check) -> Self {
        Self::new(check, Value::Default)
    }

    /// A check with a value.
    pub fn new(check: &'static Check, value: Value) -> Self {
        Self { check, name: String::new(), value, allow_unread: None }
    }

    /// As it is called in messages: `disk-space`, `custom no-vacuum`.
    pub fn title(&self) -> String {
        match self.name.as_str() {
            "" => self.check.id.to_owned(),
            name => format!("{} {name}", self.check.id),
        }
    }
}

/// One thing that is to be asked of the database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// What the server is.
    Server,
    /// Which rights the plans need and the role lacks.
    Rights,
    /// Whether a pooler stands in between that would break the run lock.
    Pooler,
    /// How much room is left where the server keeps its data.
    Room,
    /// How far replicas are behind.
    Lag,
    /// The rows of a query, in the words of the server. At most 100 are read.
    Query(String),
}

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRight {
    /// What cannot be done.
    pub what: String,
    /// What gives the right.
    pub grant: String,
}

/// Rows as texts; `None` is NULL.
pub type Rows = Vec<Vec<Option<String>>>;

/// What was asked and answered. What nobody asked for is not there.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The id of the dialect of the server that was asked.
    pub dialect: String,
    /// See [`Look::Server`].
    pub server: Option<Server>,
    /// See [`Look::Rights`].
    pub missing: Vec<MissingRight>,
    /// See [`Look::Pooler`].
    pub pooled: bool,
    /// See [`Look::Room`]; empty: it cannot be seen.
    pub room: Vec<Room>,
    /// Bytes that the plans are estimated to need beside what is there.
    pub needs: u64,
    /// See [`Look::Lag`]: of the replica that is farthest behind, with its name, which is empty where there is none; `Err`:
    /// why it is not known.
    pub lag: Option<Result<(Duration, String), String>>,
    /// By the query; `Err`: the server's own words.
    pub rows: BTreeMap<String, Result<Rows, String>>,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// All is well; what was found.
    Holds(String),
    /// It passes, and a person should know of what was not seen.
    Doubtful(String),
    /// It is not as it must be.
    Fails(Box<Refusal>),
    /// It cannot be known. That is no pass, unless somebody said why it may be.
    Unread(Box<Refusal>),
}

impl Verdict {
    fn fails(found: impl Into<String>, wanted: impl Into<String>, help: impl Into<String>) -> Self {
        Verdict::Fails(Box::new(Refusal::new(Code::PreCheckFailed, found).cause(wanted).help(help)))
    }

    fn unread(what: impl Into<String>, why: impl Into<String>, help: impl Into<String>) -> Self {
        Verdict::Unread(Box::new(Refusal::new(Code::PreCheckUnread, what).cause(why).help(help)))
    }
}

/// It is asked in the words of PostgreSQL.
const POSTGRESQL: &str = "postgresql";

/// Every check, in the order in which they are told of.
pub static CHECKS: &[&Check] = &[
    &connection::CHECK,
    &permissions::CHECK,
    &pooler::CHECK,
    &disk_space::CHECK,
    &replication::CHECK,
    &long_transactions::CHECK,
    &custom::CHECK,
];

/// The check of this id.
pub fn check(id: &str) -> Option<&'static Check> {
    CHECKS.iter().copied().find(|check| check.id == id)
}

/// Those that are always looked at: without a connection that takes writes, and the rights that the plans need,
/// nothing would come of it.
pub fn always() -> Vec<Asked> {
    vec![Asked::plain(&connection::CHECK), Asked::plain(&permissions::CHECK)]
}

/// The rows of a query that was asked, or what is said where they could not be had.
fn rows<'a>(found: &'a Found, query: &str, what: &str) -> Result<&'a Rows, Verdict> {
    match found.rows.get(query) {
        Some(Ok(rows)) => Ok(rows),
        Some(Err(said)) => {
            Err(Verdict::unread(what, said, "correct the cause, then run the same command again"))
        }
        None => Err(Verdict::unread(what, "it was not asked for", "cofferdam doctor")),
    }
}

/// `20.0 GB`, `512 MB`: bytes for people, in powers of ten as the thresholds are written.
pub fn size(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e6 => format!("{:.0} kB", (b / 1e3).ceil()),
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b if b < 1e12 => format!("{:.1} GB", b / 1e9),
        b => format!("{:.1} TB", b / 1e12),
    }
}

/// `90 s`, `12 min`, `5 h`: seconds for people.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3_600.0),
    }
}
