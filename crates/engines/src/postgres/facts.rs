//! What the live server says of itself and of tables.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use cofferdam_core::facts::{Facts, Table};
use cofferdam_core::fault::Result;
use cofferdam_core::{Fault, Name, QuotedIdent};

use super::cells::{AnswerCells, RowCells};
use super::errors;

mod answers;
mod catalog;

pub use answers::answers;

use catalog::{BEGIN, NAMED, OBJECTS, OPEN, PATH, ServerRow, TABLES, TableRow, server_query};

const DOING: &str = "reading the catalog";

/// A look into a table is given up after this, and is "not known": it must never be felt. Where policies would hide
/// rows, or would run functions of others as us, it fails too.
const LOOK: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = '2s'; SET LOCAL lock_timeout = '100ms';
    SET LOCAL row_security = off";

/// Facts of the server, and of these tables by the names under which they are asked for. A name without a schema is
/// looked for where `search_path` says.
///
/// Four round trips. A name that the server would cut is no table's: it counts as absent. It begins and ends transactions of its own, so it must not be called inside of one. A table
/// that somebody has locked for longer than two seconds makes it `Again`.
pub async fn facts(client: &Client, of: &[Name]) -> Result<Facts> {
    let asked: Vec<Name> = of.iter().filter(|name| name.to_sql().is_ok()).cloned().collect();
    let (server, open, objects, found) = read_catalog(client, &asked).await?;
    let mut tables: BTreeMap<String, Table> = of.iter().map(|n| (n.to_string(), Table::default())).collect();
    let looks = have_rows(client, &found).await?;
    for ((place, row), look) in found.iter().zip(looks) {
        if let Some(name) = asked.get(*place) {
            tables.insert(name.to_string(), Table { has_rows: look, ..row.table(&server) });
        }
    }
    Ok(Facts { server: server.server(open), tables, objects, answers: Vec::new() })
}

/// Tables that are there, with their places among those that were asked for.
type Found = Vec<(usize, TableRow)>;

/// The server, since when the oldest transaction of others is open, what there is in the database, and the tables.
type Catalog = (ServerRow, Option<f64>, BTreeSet<String>, Found);

async fn read_catalog(client: &Client, of: &[Name]) -> Result<Catalog> {
    let fault = |e| errors::fault(e, DOING);
    // Alone, and first: a pooler that takes no transactions says so here, and then hangs up.
    client.batch_execute(BEGIN).await.map_err(fault)?;
    let names: Vec<&str> = of.iter().map(|n| n.name.as_str()).collect();
    let asked: [(&(dyn ToSql + Sync), Type); 1] = [(&names, Type::NAME_ARRAY)];
    let (path, named) = futures::join!(client.query_typed(PATH, &[]), client.query_typed(NAMED, &asked));
    let (path, named) = match (path, named) {
        (Ok(path), Ok(named)) => (path, named),
        (Err(e), _) | (_, Err(e)) => {
            let _ = client.batch_execute("ROLLBACK").await;
            return Err(fault(e));
        }
    };
    let is_one_there = named.first_cell()?.unwrap_or(false);
    let path = path.first().ok_or_else(|| Fault::Bug("search_path gave no row".into()))?;
    let (setting, in_path, may_identify): (String, Vec<String>, bool) =
        (path.cell(0)?, path.cell(1)?, path.cell(2)?);
    // The server's own first, so that nothing of anybody else is run by us; the rest stays, so that types are printed
    // as the user writes them.
    let safe_path =
        if setting.trim().is_empty() { "pg_catalog".to_owned() } else { format!("pg_catalog, {setting}") };
    let schemas: Vec<Option<&str>> = of.iter().map(|n| n.schema.as_deref()).collect();
    // Sent together, answered in order.
    let server_query = server_query(may_identify);
    let path: [(&(dyn ToSql + Sync), Type); 1] = [(&safe_path, Type::TEXT)];
    let asked: [(&(dyn ToSql + Sync), Type); 3] =
        [(&schemas, Type::NAME_ARRAY), (&names, Type::NAME_ARRAY), (&in_path, Type::NAME_ARRAY)];
    let of_tables = async |query, asked: &[(&(dyn ToSql + Sync), Type)]| match is_one_there {
        true => client.query_typed(query, asked).await,
        false => Ok(Vec::new()),
    };
    let (set, server, objects, open, tables, ended) = futures::join!(
        client.query_typed("SELECT pg_catalog.set_config('search_path', $1, true)", &path),
        client.query_typed(&server_query, &[]),
        client.query_typed(OBJECTS, &[]),
        of_tables(OPEN, &[]),
        of_tables(TABLES, &asked),
        client.batch_execute("ROLLBACK"),
    );
    set.map_err(fault)?;
    let server = server.map_err(fault)?;
    let server = server.first().ok_or_else(|| Fault::Bug("the server gave no row of itself".into()))?;
    let objects = objects.map_err(fault)?.first_cells()?;
    let open = open.map_err(fault)?.first_cell()?.flatten();
    let tables = tables.map_err(fault)?;
    ended.map_err(fault)?;
    let found = tables
        .iter()
        .map(|row| {
            let place = usize::try_from(row.cell::<i64>(0)?).unwrap_or(0).saturating_sub(1);
            Ok((place, decoded(row, 1)?))
        })
        .collect::<Result<_>>()?;
    Ok((decoded(server, 0)?, open, objects, found))
}

fn decoded<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T> {
    let json: serde_json::Value = row.cell(column)?;
    serde_json::from_value(json).map_err(|e| Fault::Bug(format!("{DOING}: a row is not as expected: {e}")))
}

/// So many tables are looked into by one query: it locks all of them until its end, and a server has room for so many
/// locks.
const TOGETHER: usize = 100;

/// Whether each of the tables holds a row: many at once, and one by one if that fails.
async fn have_rows(client: &Client, found: &Found) -> Result<Vec<Option<bool>>> {
    let mut looks = vec![None; found.len()];
    let mut queries = Vec::new();
    for (i, (_, row)) in found.iter().enumerate().filter(|(_, (_, row))| row.can_be_looked_into()) {
        queries.push((i, format!("SELECT {i}, EXISTS (SELECT FROM {})", row.resolved().to_sql()?)));
    }
    for some in queries.chunks(TOGETHER) {
        let all: Vec<_> = some.iter().map(|(_, q)| q.as_str()).collect();
        let mut answers = looked(client, &all.join(" UNION ALL ")).await?;
        if answers.is_none() {
            answers = Some(Vec::new());
            for (_, query) in some {
                answers.get_or_insert_default().extend(looked(client, query).await?.unwrap_or_default());
            }
        }
        for row in answers.unwrap_or_default() {
            let (i, there): (i32, bool) = (row.cell(0)?, row.cell(1)?);
            let Some(i) = usize::try_from(i).ok().filter(|i| *i < looks.len()) else { continue };
            looks[i] = Some(there);
        }
    }
    Ok(looks)
}

/// Whether a column holds a NULL. `None`: it could not be found out within two seconds, or without waiting for a lock,
/// or not by us.
pub async fn has_nulls(client: &Client, table: &Name, column: &str) -> Result<Option<bool>> {
    let (table, column) = (table.to_sql()?, QuotedIdent::new(column)?);
    let query = format!("SELECT EXISTS (SELECT FROM {table} WHERE {column} IS NULL)");
    looked(client, &query).await?.unwrap_or_default().first_cell()
}

/// Runs a query that may fail: then there is no answer, and only a lost connection is a fault.
async fn looked(client: &Client, query: &str) -> Result<Option<Vec<Row>>> {
    let (begun, rows, ended) = futures::join!(
        client.batch_execute(LOOK),
        client.query_typed(query, &[]),
        client.batch_execute("ROLLBACK")
    );
    begun.and(ended).map_err(|e| errors::fault(e, DOING))?;
    Ok(rows.ok())
}
