//! The demonstration's own look at its database on MySQL and MariaDB.

pub(super) mod half_way;
pub(super) mod online;
pub(super) mod scripts;
pub(super) mod server;
pub(super) mod session;

use std::collections::{BTreeSet, HashMap};

use cofferdam_core::{Fault, Result};
use mysql_async::prelude::{ColumnIndex, FromValue, Queryable};
use mysql_async::{Conn, Opts, OptsBuilder, Row};

use super::checker::Found;
use super::database::{failed, unreachable};
use super::shop::{Order, filled};

/// A connection that takes one question after the other.
pub(super) type Link = tokio::sync::Mutex<Conn>;

/// A connection under this name. The URL is one of ours: it names a socket, and the user has no password.
pub(super) async fn connect(url: &str, name: &str) -> Result<Conn> {
    let opts = options(url).ok_or_else(|| unreachable(format!("{url} names no socket")))?;
    let attributes = HashMap::from([("program_name".to_owned(), name.to_owned())]);
    let opts: Opts = opts.connect_attributes(attributes).into();
    Conn::new(opts).await.map_err(|e| unreachable(words(&e)))
}

fn options(url: &str) -> Option<OptsBuilder> {
    let url = url::Url::parse(url).ok()?;
    let socket = url.query_pairs().find(|(name, _)| name == "socket")?.1.into_owned();
    let database = url.path().trim_start_matches('/').to_owned();
    Some(
        OptsBuilder::default()
            .user(Some(url.username().to_owned()))
            .socket(Some(socket))
            .db_name(Some(database)),
    )
}

/// An error with the server's own words and their number.
pub(super) fn words(error: &mysql_async::Error) -> String {
    match error {
        mysql_async::Error::Server(said) => format!("{}: {}", said.code, said.message),
        other => other.to_string(),
    }
}

/// A statement of the demonstration itself failed.
pub(super) fn fault(error: &mysql_async::Error, sql: &str) -> Fault {
    failed(words(error), sql)
}

/// Runs statements without rows.
pub(super) async fn execute(link: &Link, sql: &str) -> Result<()> {
    link.lock().await.query_drop(sql).await.map_err(|e| fault(&e, sql))
}

/// The rows of a query.
pub(super) async fn query(link: &Link, sql: &str) -> Result<Vec<Row>> {
    link.lock().await.query(sql).await.map_err(|e| fault(&e, sql))
}

/// Every session, with the statement that it is at.
async fn processes(link: &Link) -> Result<Vec<Row>> {
    query(link, "SHOW FULL PROCESSLIST").await
}

/// A cell as a text; an empty one where there is none.
fn text(row: &Row, column: &str) -> String {
    cell(row, column).unwrap_or_default()
}

/// A cell; `None` where it is NULL, or of another type.
fn cell<T: FromValue>(row: &Row, column: impl ColumnIndex) -> Option<T> {
    row.get_opt(column)?.ok()
}

/// See [`super::database::Database::found`]. All rows come over and are compared here, with no more memory than for those
/// that differ.
pub(super) async fn found(link: &Link, rows: u32) -> Result<Found> {
    // Through no index that the change made: an index that is wrong must not hide a row.
    let sql = "SELECT id, customer_id, COALESCE(status, ''), amount, version, last_op
               FROM orders FORCE INDEX (PRIMARY) ORDER BY id";
    let failed = |e: mysql_async::Error| fault(&e, sql);
    let mut conn = link.lock().await;
    let mut result = conn.query_iter(sql).await.map_err(failed)?;
    let mut found = Found { filled: i64::from(rows), missing: BTreeSet::new(), changed: Vec::new() };
    let mut expected = 1;
    while let Some(row) = result.next().await.map_err(failed)? {
        let (id, customer, status, amount, version, last_op) = mysql_async::from_row_opt(row)
            .map_err(|e| Fault::Bug(format!("a row of orders is none: {e}")))?;
        found.missing.extend(expected..i64::min(id, found.filled + 1));
        expected = id + 1;
        let order = Order { customer, status, amount, version, last_op };
        if id > found.filled || order != filled(id) {
            found.changed.push((id, order));
        }
    }
    found.missing.extend(expected..=found.filled);
    Ok(found)
}

/// See [`super::database::Database::schema`]. Every table as the server prints it.
pub(super) async fn schema(link: &Link) -> Result<Vec<String>> {
    let sql = "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
               AND LEFT(TABLE_NAME, 11) <> '_cofferdam_' ORDER BY 1";
    let mut schema = Vec::new();
    for table in query(link, sql).await? {
        let shown = query(link, &format!("SHOW CREATE TABLE `{}`", text(&table, "name"))).await?;
        schema.extend(shown.iter().map(|row| text(row, "Create Table")));
    }
    Ok(schema)
}
