//! A history table, through its codec: Cofferdam's own, or that of another tool. Which columns and values is the
//! codec's; here is only the SQL.

use tokio_postgres::{Client, Row};

use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::{Bundle, Fault, Name};
use cofferdam_formats::history::{Cells, Column, Write, own};

use super::cells::RowCells;
use super::reading;
use crate::ledger::Book;

impl Book {
    /// Cofferdam's own.
    pub(crate) fn own() -> Self {
        let codec = &own::CODEC;
        Self { codec, table: Name { schema: codec.schema.map(str::to_owned), name: codec.table.to_owned() } }
    }
}

/// The whole history of our own, by rank.
pub(super) async fn read(client: &Client) -> Result<Vec<Applied>> {
    read_columns(client, text).await
}

/// The same without its bundles. Sent when it is polled for the first time.
pub(super) async fn read_without_bundles(client: &Client) -> Result<Vec<Applied>> {
    read_columns(client, |column| match column.name {
        BUNDLE => "'{}'".to_owned(),
        _ => text(column),
    })
    .await
}

/// Where there is such a column, it holds what is needed to take a migration back.
const BUNDLE: &str = "bundle";

/// A column as a text that does not depend on a setting of the session.
fn text(column: &Column) -> String {
    match column.sql_type {
        "timestamptz" => reading::time(column.name),
        "bytea" => format!("'\\x' OPERATOR(pg_catalog.||) pg_catalog.encode({}, 'hex')", column.name),
        "timestamp" => {
            format!("pg_catalog.to_char({}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')", column.name)
        }
        _ => format!("{}::pg_catalog.text", column.name),
    }
}

async fn read_columns(client: &Client, text: impl Fn(&Column) -> String) -> Result<Vec<Applied>> {
    let book = Book::own();
    let columns: Vec<String> = book.codec.columns.iter().map(text).collect();
    let sql = format!("SELECT {} FROM {}", columns.join(", "), book.table.to_sql()?);
    let cells: Vec<Cells> =
        reading::read(client, &sql, &[]).await?.iter().map(cells_of).collect::<Result<_>>()?;
    // Only tools that store no more than how far they got need the directory to say what that means.
    let nothing = Bundle { format: book.codec.id, migrations: Vec::new(), skipped: Vec::new() };
    (book.codec.read)(&cells, &nothing).map(|history| history.applied).map_err(Fault::Refused)
}

/// The rows of a tool's table. None where it is not there.
pub(super) async fn rows(client: &Client, book: &Book) -> Result<Vec<Cells>> {
    let columns: Vec<String> = book.codec.columns.iter().map(text).collect();
    let sql = format!("SELECT {} FROM {}", columns.join(", "), book.table.to_sql()?);
    reading::read(client, &sql, &[]).await?.iter().map(cells_of).collect()
}

/// The same outside of a transaction, where nothing else bounds the waiting for a table that is locked: sent together, so
/// that it costs no round trip.
pub(super) async fn rows_in_time(client: &Client, book: &Book) -> Result<Vec<Cells>> {
    let (_, rows, _) = futures::join!(
        client.batch_execute(IN_TIME),
        rows(client, book),
        client.batch_execute("SET lock_timeout = 0"),
    );
    rows
}

/// How long a tool's table may be locked before who holds it counts as at work: to write a row takes no longer.
const IN_TIME: &str = "SET lock_timeout = '2s'";

/// Of a tool's table the row with the highest key, which is all that a further row depends on.
pub(super) async fn last_row(client: &Client, book: &Book) -> Result<Vec<Cells>> {
    let columns: Vec<String> = book.codec.columns.iter().map(text).collect();
    let order: Vec<String> = book.codec.key.iter().map(|key| format!("{key} DESC")).collect();
    let (columns, order, table) = (columns.join(", "), order.join(", "), book.table.to_sql()?);
    let sql = format!("SELECT {columns} FROM {table} ORDER BY {order} LIMIT 1");
    reading::read(client, &sql, &[]).await?.iter().map(cells_of).collect()
}

fn cells_of(row: &Row) -> Result<Cells> {
    (0..row.len()).map(|i| row.cell(i)).collect()
}

/// The statement that does a write, and its parameters, which are numbered on from those `before` them.
pub(super) fn statement(book: &Book, write: Write, before: usize) -> Result<(String, Cells)> {
    let table = book.table.to_sql()?;
    Ok(match write {
        Write::Insert(cells) => {
            let columns = book.codec.columns.iter().zip(cells).filter(|(column, _)| !column.generated);
            let (columns, cells): (Vec<&Column>, Cells) = columns.unzip();
            let names: Vec<&str> = columns.iter().map(|c| c.name).collect();
            let values: Vec<String> =
                columns.iter().enumerate().map(|(i, c)| cell(before + i, c.sql_type)).collect();
            (format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", ")), cells)
        }
        Write::Update { key, set } => {
            let assignments: Vec<String> = set
                .iter()
                .enumerate()
                .map(|(i, (column, _))| format!("{column} = {}", cell(before + i, book.sql_type(column))))
                .collect();
            let condition = condition(book, before + set.len());
            let cells = set.into_iter().map(|(_, value)| value).chain(key).collect();
            (format!("UPDATE {table} SET {} WHERE {condition}", assignments.join(", ")), cells)
        }
        Write::Delete { key } => (format!("DELETE FROM {table} WHERE {}", condition(book, before)), key),
    })
}

/// The statement that does several writes of one form, with an array as a parameter for each column, numbered on from
/// those `before` them. Its `RETURNING nth` is the place of the write that found a row.
pub(super) fn statement_of_many(
    book: &Book,
    writes: Vec<Write>,
    before: usize,
) -> Result<(String, Vec<Cells>)> {
    let table = book.table.to_sql()?;
    let of_key = || book.codec.key.iter().copied();
    let (set, found): (Vec<&str>, Vec<&str>) = match writes.first() {
        Some(Write::Insert(_)) => {
            (book.codec.columns.iter().filter(|c| !c.generated).map(|c| c.name).collect(), Vec::new())
        }
        Some(Write::Update { set, .. }) => (set.iter().map(|(name, _)| *name).collect(), of_key().collect()),
        Some(Write::Delete { .. }) => (Vec::new(), of_key().collect()),
        None => return Err(Fault::Bug("no write was to be written".into())),
    };
    let value =
        |nth: usize, column: &&str| format!("new.c{nth}::pg_catalog.{}", builtin(book.sql_type(column)));
    let values: Vec<String> =
        (0..).zip(set.iter().chain(&found)).map(|(nth, column)| value(nth, column)).collect();
    let arrays: Vec<String> = (0..values.len())
        .map(|nth| format!("pg_catalog.unnest(${}::pg_catalog.text[])", before + nth + 1))
        .collect();
    let names: Vec<String> = (0..values.len()).map(|nth| format!("c{nth}")).collect();
    let new = format!("ROWS FROM ({}) WITH ORDINALITY AS new ({}, nth)", arrays.join(", "), names.join(", "));
    let (values, keys) = values.split_at(set.len());
    let equal = |names: &[&str], values: &[String], old: &str, between: &str| {
        let pairs = names.iter().zip(values).map(|(name, value)| format!("{old}{name} = {value}"));
        pairs.collect::<Vec<_>>().join(between)
    };
    let same = equal(&found, keys, "old.", " AND ");
    let sql = match (set.as_slice(), found.as_slice()) {
        (_, []) => {
            // In this order, which is that of what the server numbers.
            let values = values.join(", ");
            format!("INSERT INTO {table} ({}) SELECT {values} FROM {new} ORDER BY new.nth", set.join(", "))
        }
        ([], _) => format!("DELETE FROM {table} AS old USING {new} WHERE {same}"),
        _ => format!("UPDATE {table} AS old SET {} FROM {new} WHERE {same}", equal(&set, values, "", ", ")),
    };
    let mut columns: Vec<Cells> = vec![Vec::with_capacity(writes.len()); names.len()];
    for write in writes {
        let cells: Cells = match write {
            Write::Insert(cells) => {
                let of_columns = book.codec.columns.iter().zip(cells);
                of_columns.filter(|(column, _)| !column.generated).map(|(_, cell)| cell).collect()
            }
            Write::Update { key, set } => set.into_iter().map(|(_, value)| value).chain(key).collect(),
            Write::Delete { key } => key,
        };
        columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
    }
    Ok((sql, columns))
}

/// The parameter after so many others, which is a text, as a value of this type.
fn cell(before: usize, sql_type: &str) -> String {
    format!("${}::pg_catalog.text::pg_catalog.{}", before + 1, builtin(sql_type))
}

/// The names under which `pg_catalog` has them; `bigint` is a word of the grammar.
fn builtin(sql_type: &str) -> &str {
    match sql_type {
        "bigint" => "int8",
        "integer" => "int4",
        "boolean" => "bool",
        other => other,
    }
}

fn condition(book: &Book, before: usize) -> String {
    let parts: Vec<String> = book
        .codec
        .key
        .iter()
        .enumerate()
        .map(|(i, column)| format!("{column} = {}", cell(before + i, book.sql_type(column))))
        .collect();
    parts.join(" AND ")
}
