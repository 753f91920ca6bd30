//! A tool's history table, through its codec. Which columns and values is the codec's; here is only the SQL.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::{Bundle, Fault, Name};
use cofferdam_formats::history::{Cells, HistoryCodec, Write, own};

use super::{errors, reading};

/// The codec of the history that is read and written. The tables of other tools come as codecs of their own.
pub(super) static CODEC: &HistoryCodec = &own::CODEC;

/// The whole history, by rank.
pub(super) async fn read(client: &Client) -> Result<Vec<Applied>> {
    let columns: Vec<String> = CODEC
        .columns
        .iter()
        .map(|column| match column.sql_type {
            "timestamptz" => reading::time(column.name),
            _ => format!("{}::pg_catalog.text", column.name),
        })
        .collect();
    let sql = format!("SELECT {} FROM {}", columns.join(", "), table()?);
    let cells: Vec<Cells> = reading::read(client, &sql, &[]).await?.iter().map(cells_of).collect();
    // Only tools that store no more than how far they got need the directory to say what that means.
    let nothing = Bundle { format: CODEC.id, migrations: Vec::new(), skipped: Vec::new() };
    (CODEC.read)(&cells, &nothing).map_err(Fault::Refused)
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

/// Does what the codec says. `false`: a row that was to be changed is not there any more.
pub(super) async fn write(client: &Client, writes: &[Write]) -> Result<bool> {
    let mut all = true;
    for write in writes {
        let (sql, cells) = statement(write)?;
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            cells.iter().map(|c| (c as &(dyn ToSql + Sync), Type::TEXT)).collect();
        let rows = client
            .query_typed(&sql, &parameters)
            .await
            .map_err(|e| errors::fault(e, "writing the history"))?;
        all &= rows.len() == 1;
    }
    Ok(all)
}

fn statement(write: &Write) -> Result<(String, Cells)> {
    let table = table()?;
    Ok(match write {
        Write::Insert(cells) => {
            let names: Vec<&str> = CODEC.columns.iter().map(|c| c.name).collect();
            let values: Vec<String> = CODEC
                .columns
                .iter()
                .enumerate()
                .map(|(i, c)| format!("${}::pg_catalog.text::pg_catalog.{}", i + 1, builtin(c.sql_type)))
                .collect();
            let sql = format!(
                "INSERT INTO {table} ({}) VALUES ({}) RETURNING 1",
                names.join(", "),
                values.join(", ")
            );
            (sql, cells.clone())
        }
        Write::Update { key, set } => {
            let mut cells: Cells = set.iter().map(|(_, value)| value.clone()).collect();
            let assignments: Vec<String> = set
                .iter()
                .enumerate()
                .map(|(i, (column, _))| {
                    format!(
                        "{column} = ${}::pg_catalog.text::pg_catalog.{}",
                        i + 1,
                        builtin(sql_type(column))
                    )
                })
                .collect();
            let condition = condition(cells.len());
            cells.extend(key.clone());
            (format!("UPDATE {table} SET {} WHERE {condition} RETURNING 1", assignments.join(", ")), cells)
        }
        Write::Delete { key } => {
            (format!("DELETE FROM {table} WHERE {} RETURNING 1", condition(0)), key.clone())
        }
    })
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

fn condition(after: usize) -> String {
    let parts: Vec<String> = CODEC
        .key
        .iter()
        .enumerate()
        .map(|(i, column)| {
            format!(
                "{column} = ${}::pg_catalog.text::pg_catalog.{}",
                after + i + 1,
                builtin(sql_type(column))
            )
        })
        .collect();
    parts.join(" AND ")
}
