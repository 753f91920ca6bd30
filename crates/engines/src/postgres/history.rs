//! A tool's history table, through its codec. Which columns and values is the codec's; here is only the SQL.

use tokio_postgres::{Client, Row};

use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::{Bundle, Fault, Name};
use cofferdam_formats::history::{Cells, Column, HistoryCodec, Write, own};

use super::reading;

/// The codec of the history that is read and written. The tables of other tools come as codecs of their own.
pub(super) static CODEC: &HistoryCodec = &own::CODEC;

/// The whole history, by rank.
pub(super) async fn read(client: &Client) -> Result<Vec<Applied>> {
    read_columns(client, |name| format!("{name}::pg_catalog.text")).await
}

/// The whole history without its bundles. Sent when it is polled for the first time.
pub(super) async fn read_without_bundles(client: &Client) -> Result<Vec<Applied>> {
    read_columns(client, |name| match name {
        BUNDLE => "'{}'".to_owned(),
        _ => format!("{name}::pg_catalog.text"),
    })
    .await
}

/// Where there is such a column, it holds what is needed to take a migration back.
const BUNDLE: &str = "bundle";

async fn read_columns(client: &Client, text: impl Fn(&str) -> String) -> Result<Vec<Applied>> {
    let columns: Vec<String> = CODEC
        .columns
        .iter()
        .map(|column| match column.sql_type {
            "timestamptz" => reading::time(column.name),
            _ => text(column.name),
        })
        .collect();
    let sql = format!("SELECT {} FROM {}", columns.join(", "), table()?);
    let cells: Vec<Cells> = reading::read(client, &sql, &[]).await?.iter().map(cells_of).collect();
    // Only tools that store no more than how far they got need the directory to say what that means.
    let nothing = Bundle { format: CODEC.id, migrations: Vec::new(), skipped: Vec::new() };
    (CODEC.read)(&cells, &nothing).map(|history| history.applied).map_err(Fault::Refused)
}

fn cells_of(row: &Row) -> Cells {
    (0..row.len()).map(|i| row.get(i)).collect()
}

fn table() -> Result<String> {
    Ok(Name { schema: CODEC.schema.map(str::to_owned), name: CODEC.table.to_owned() }.to_sql()?)
}

fn sql_type(column: &str) -> &'static str {
    CODEC.columns.iter().find(|c| c.name == column).map_or("text", |c| c.sql_type)
}

/// The statement that does a write, and its parameters, which are numbered on from those `before` them.
pub(super) fn statement(write: Write, before: usize) -> Result<(String, Cells)> {
    let table = table()?;
    Ok(match write {
        Write::Insert(cells) => {
            let columns = CODEC.columns.iter().zip(cells).filter(|(column, _)| !column.generated);
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
                .map(|(i, (column, _))| format!("{column} = {}", cell(before + i, sql_type(column))))
                .collect();
            let condition = condition(before + set.len());
            let cells = set.into_iter().map(|(_, value)| value).chain(key).collect();
            (format!("UPDATE {table} SET {} WHERE {condition}", assignments.join(", ")), cells)
        }
        Write::Delete { key } => (format!("DELETE FROM {table} WHERE {}", condition(before)), key),
    })
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

fn condition(before: usize) -> String {
    let parts: Vec<String> = CODEC
        .key
        .iter()
        .enumerate()
        .map(|(i, column)| format!("{column} = {}", cell(before + i, sql_type(column))))
        .collect();
    parts.join(" AND ")
}
