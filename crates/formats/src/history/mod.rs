//! How a history is written in the terms of a tool: rows of its table to what is applied, and back.
//!
//! Pure: an engine reads and writes the rows, a codec says what is in them. Tools differ in more than columns.
//! Flyway appends a row to take one back, goose deletes it, golang-migrate has one row for all. So a codec reads
//! its whole table at once, beside the bundle, and answers an event with the writes that the tool would do.

pub mod own;

use cofferdam_core::history::Applied;
use cofferdam_core::{Bundle, Refusal};

/// One row as texts, in the order of [`HistoryCodec::columns`]; `None` is NULL.
pub type Cells = Vec<Option<String>>;

/// What a table says is applied, or which of its rows nobody can read.
pub type Read = Result<Vec<Applied>, Box<Refusal>>;

/// How one tool writes its history.
pub struct HistoryCodec {
    /// The tool, as in `--history`.
    pub id: &'static str,
    /// The schema in which the table lies; `None` is that of the connection.
    pub schema: Option<&'static str>,
    /// The table's name, unless the user gave it another.
    pub table: &'static str,
    /// Its columns, with the type that a text is cast to when it is written.
    pub columns: &'static [Column],
    /// The columns by which one row is found.
    pub key: &'static [&'static str],
    /// All rows of the table, in any order, to what they say is applied, by rank. The bundle is for tools that
    /// store only how far they got.
    pub read: fn(rows: &[Cells], bundle: &Bundle) -> Read,
    /// What is written when this was applied, in the same transaction.
    pub applied: fn(&Applied) -> Vec<Write>,
    /// What is written when this was taken back; its `undone_at` is set.
    pub undone: fn(&Applied) -> Vec<Write>,
}

/// One column of a history table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type as PostgreSQL spells it.
    pub sql_type: &'static str,
}

/// One write to a history table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A new row, one cell for each column.
    Insert(Cells),
    /// New values for some columns of the row with this key.
    Update {
        /// One cell for each column of [`HistoryCodec::key`].
        key: Cells,
        /// Column and value.
        set: Vec<(&'static str, Option<String>)>,
    },
    /// The row with this key goes.
    Delete {
        /// One cell for each column of [`HistoryCodec::key`].
        key: Cells,
    },
}

/// All codecs.
pub static HISTORIES: &[&HistoryCodec] = &[&own::CODEC];

pub(crate) const fn column(name: &'static str, sql_type: &'static str) -> Column {
    Column { name, sql_type }
}
