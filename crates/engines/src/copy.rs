//! Copying rows out of tables and into them, for backups.

pub(crate) mod program;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use cofferdam_core::backup::{Origin, Shape, Sum};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Name, Refusal};

/// Bytes as they come.
pub type Rows = BoxStream<'static, Result<Bytes>>;

/// Which tables are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// By name, each with how far what is to be done to it reaches.
    pub tables: Vec<(Name, Reach)>,
    /// Every table of these schemas.
    pub schemas: Vec<String>,
}

/// How far what is done to a table reaches beyond it. Children by inheritance always belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Not beyond it.
    Itself,
    /// To rows of tables whose foreign keys delete or change along with it.
    Actions,
    /// To all rows of every table whose foreign keys lead to it.
    References,
}

/// When and where a snapshot is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// RFC 3339 in UTC, by the server's clock.
    pub at: String,
    /// Where in the write-ahead log; empty: the server does not say.
    pub lsn: String,
}

/// What a restore does with a table that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is refused.
    Refuse,
    /// Its rows are replaced, in the transaction that brings the others.
    Replace,
}

/// A connection beside the one that works. It neither takes nor needs the run lock.
#[async_trait]
pub trait Copier: Send {
    /// Begins a snapshot: until [`Copier::end`] everything that is read is of one moment. It takes no lock that stops
    /// rows from being written.
    async fn begin(&mut self) -> Result<Moment>;

    /// The tables that are wanted, as they are in the snapshot. What is no table, or not there, is left out.
    async fn shapes(&mut self, wanted: &Wanted) -> Result<Vec<Shape>>;

    /// How many rows a table has, and the sum of their hashes, in the snapshot.
    async fn sum(&mut self, shape: &Shape) -> Result<Sum>;

    /// The rows of a table in the snapshot. The stream must be read to its end, or dropped, before anything else is
    /// asked.
    async fn out(&mut self, shape: &Shape) -> Result<Rows>;

    /// Ends the snapshot.
    async fn end(&mut self) -> Result<()>;

    /// Brings rows into a table that nobody else sees, counts and hashes them, and leaves nothing behind, whatever
    /// happens.
    async fn rehearse(&mut self, shape: &Shape, rows: Rows) -> Result<Sum>;

    /// Brings rows into `into`, which is made from the shape where it is not there, in one transaction that ends well
    /// only where the sum of what is there afterwards is this one.
    async fn restore(
        &mut self,
        shape: &Shape,
        rows: Rows,
        into: &Name,
        existing: Existing,
        expected: &Sum,
    ) -> Result<()>;

    /// The whole database, as the server's own program writes it, and what that program calls itself. Refuses where
    /// the program is not there. Where it fails after its first byte the stream ends in an error.
    async fn whole(&mut self) -> Result<(String, Rows)>;

    /// Where this is.
    async fn origin(&mut self) -> Result<Origin>;
}

/// `into` is there, and nobody said that its rows are to go. `beside`: what `--into` takes, in capital letters.
pub(crate) fn in_the_way(into: &Name, beside: &str) -> Refusal {
    Refusal::new(Code::RestoreRefused, format!("{into} is there already"))
        .cause("rows are restored into a new table, unless it is said that those that are there are to go")
        .help(format!("--into {beside} restores beside; --replace --yes replaces the rows of the table"))
}

/// The rows do not fit into `into`. `beside`: what `--into` takes, in capital letters.
pub(crate) fn other_columns(into: &Name, beside: &str, cause: &str) -> Refusal {
    Refusal::new(Code::RestoreRefused, format!("{into} has other columns than were saved"))
        .cause(cause)
        .help(format!("--into {beside} restores into a new table beside it"))
}

/// What is there now is not what was saved.
pub(crate) fn not_as_saved(into: &Name, sum: &Sum, expected: &Sum) -> Refusal {
    Refusal::new(Code::BackupDamaged, format!("{into} did not become what was saved")).cause(format!(
        "{} rows with the sum {} were saved, and {} with {} are there",
        expected.rows, expected.hash, sum.rows, sum.hash
    ))
}
