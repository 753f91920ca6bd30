//! Reading cells of the server's answers: what cannot be read is a fault, never a panic.
//!
//! The driver's own `get` panics where a cell is NULL or of another type, and views of the server's state show NULL for a
//! moment, or to who may not see more. clippy.toml forbids it.

use std::error::Error as _;

use tokio_postgres::types::FromSql;
use tokio_postgres::{Error, Row, SimpleQueryRow};

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;

use super::errors::visible;

/// The cells of one row.
pub trait RowCells {
    /// The cell in this column, counted from 0. Where it is not a `T`, a [`Fault::Bug`] that names the column; a cell that
    /// may be NULL is an `Option`.
    fn cell<'a, T: FromSql<'a>>(&'a self, at: usize) -> Result<T>;
}

impl RowCells for Row {
    fn cell<'a, T: FromSql<'a>>(&'a self, at: usize) -> Result<T> {
        self.try_get(at).map_err(|e| unreadable(self, at, &e))
    }
}

/// The cells of an answer's rows.
pub trait AnswerCells {
    /// The first cell of the first row; `None` where there is no row.
    fn first_cell<'a, T: FromSql<'a>>(&'a self) -> Result<Option<T>>;

    /// The first cell of every row.
    fn first_cells<'a, T: FromSql<'a>, All: FromIterator<T>>(&'a self) -> Result<All>;
}

impl AnswerCells for [Row] {
    fn first_cell<'a, T: FromSql<'a>>(&'a self) -> Result<Option<T>> {
        self.first().map(|row| row.cell(0)).transpose()
    }

    fn first_cells<'a, T: FromSql<'a>, All: FromIterator<T>>(&'a self) -> Result<All> {
        self.iter().map(|row| row.cell(0)).collect()
    }
}

/// All cells of a row that came as text. It may be no UTF-8: scripts set `client_encoding`.
pub(super) fn texts(row: &SimpleQueryRow) -> Result<Vec<Option<String>>, Error> {
    (0..row.len()).map(|at| Ok(row.try_get(at)?.map(str::to_owned))).collect()
}

fn unreadable(row: &Row, at: usize, e: &Error) -> Fault {
    let why = e.source().map_or_else(|| e.to_string(), ToString::to_string);
    let column = match row.columns().get(at) {
        Some(column) => format!("column {at} ({} {})", column.name(), column.type_()),
        None => format!("column {at}"),
    };
    Fault::Bug(format!("{} of the server's answer cannot be read: {}", visible(&column), visible(&why)))
}

#[cfg(test)]
pub(super) mod tests;
