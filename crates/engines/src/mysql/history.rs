//! A history table, through its codec: Cofferdam's own, or that of another tool. Which columns and values is the
//! codec's; here is only the SQL.

use mysql_async::Value;

use cofferdam_core::fault::Result;
use cofferdam_formats::history::{Cells, Column, HistoryCodec, Write, own};

use super::link::{self, Link};
use super::{errors, reading, record};
use crate::ledger::tool_changed;

/// A column as a text that does not depend on a setting of the session. Of a tool's times without a zone the server's
/// own is meant.
fn text(column: &Column) -> String {
    let name = format!("`{}`", column.name);
    match column.sql_type {
        "timestamptz" => reading::time(&name),
        "timestamp" => {
            reading::time(&format!("COALESCE(CONVERT_TZ({name}, @@SESSION.time_zone, '+00:00'), {name})"))
        }
        "boolean" => format!("ELT(({name} <> 0) + 1, 'false', 'true')"),
        _ => name,
    }
}

/// All rows of a table, without what `left_out` names. None where it is not there. `how`: nothing, or `FOR UPDATE`.
pub(super) async fn rows(
    link: &mut Link,
    codec: &HistoryCodec,
    table: &str,
    left_out: Option<&str>,
    how: &str,
) -> Result<Vec<Cells>> {
    let column = |column: &Column| match left_out {
        Some(name) if name == column.name => "'{}'".to_owned(),
        _ => text(column),
    };
    let columns: Vec<String> = codec.columns.iter().map(column).collect();
    let sql = format!("SELECT {} FROM {table} {how}", columns.join(", "));
    let rows = reading::read(link, &sql, vec![]).await?;
    Ok(rows.iter().map(|row| (0..row.len()).map(|at| link::text(row, at)).collect()).collect())
}

/// Does these writes, in this order. A number that the server gives a row follows it.
pub(super) async fn write(
    link: &mut Link,
    codec: &HistoryCodec,
    table: &str,
    writes: Vec<Write>,
) -> Result<()> {
    for write in writes {
        let (sql, values) = statement(codec, table, write)?;
        if let Err(e) = link.rows(&sql, values).await {
            return Err(match errors::code(&e) {
                Some(errors::DUPLICATE) if codec.id == own::CODEC.id => record::fenced(),
                Some(errors::DUPLICATE) => tool_changed().into(),
                _ => errors::fault(e, "writing the history"),
            });
        }
    }
    Ok(())
}

fn statement(codec: &HistoryCodec, table: &str, write: Write) -> Result<(String, Vec<Value>)> {
    let of = |name: &str| codec.columns.iter().find(|c| c.name == name).map_or("text", |c| c.sql_type);
    let equal = |names: &[&str], between: &str| {
        names.iter().map(|name| format!("`{name}` = ?")).collect::<Vec<_>>().join(between)
    };
    let value = |name: &str, cell: Option<String>| -> Result<Value> {
        Ok(match (of(name), cell) {
            (_, None) => Value::NULL,
            ("timestamptz", Some(text)) => record::time(&text)?.into(),
            ("boolean", Some(text)) => (text == "true").into(),
            (_, Some(text)) => text.into(),
        })
    };
    let (sql, cells): (String, Vec<(&str, Option<String>)>) = match write {
        Write::Insert(cells) => {
            let all = codec.columns.iter().zip(cells);
            let cells: Vec<_> = all
                .filter(|(column, _)| !column.generated)
                .map(|(column, cell)| (column.name, cell))
                .collect();
            let names: Vec<String> = cells.iter().map(|(name, _)| format!("`{name}`")).collect();
            let places = vec!["?"; cells.len()].join(", ");
            (format!("INSERT INTO {table} ({}) VALUES ({places})", names.join(", ")), cells)
        }
        Write::Update { key, set } => {
            let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
            let (set_sql, found) = (equal(&names, ", "), equal(codec.key, " AND "));
            let cells = set.into_iter().chain(codec.key.iter().copied().zip(key)).collect();
            (format!("UPDATE {table} SET {set_sql} WHERE {found}"), cells)
        }
        Write::Delete { key } => {
            let sql = format!("DELETE FROM {table} WHERE {}", equal(codec.key, " AND "));
            (sql, codec.key.iter().copied().zip(key).collect())
        }
    };
    let values = cells.into_iter().map(|(name, cell)| value(name, cell)).collect::<Result<Vec<_>>>()?;
    Ok((sql, values))
}
