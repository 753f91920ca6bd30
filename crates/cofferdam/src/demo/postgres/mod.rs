//! The demonstration's own look at its database on PostgreSQL.

pub(super) mod binaries;
pub(super) mod half_way;
pub(super) mod online;
pub(super) mod scripts;
pub(super) mod session;

use cofferdam_core::{Fault, Result};
use cofferdam_engines::postgres::cells::{AnswerCells, RowCells};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Row};

use self::scripts::FILL;
use super::checker::Found;
use super::database::{failed, unreachable};
use super::shop::Order;

/// A connection under this name.
pub(in crate::demo) async fn connect(url: &str, name: &str) -> Result<Client> {
    let refused = |e: tokio_postgres::Error| unreachable(words(&e));
    let mut config: tokio_postgres::Config = url.parse().map_err(refused)?;
    let (client, connection) = config.application_name(name).connect(NoTls).await.map_err(refused)?;
    // Its error reaches whoever waits for an answer.
    tokio::spawn(connection);
    Ok(client)
}

/// An error with the server's own words and their SQLSTATE.
pub(in crate::demo) fn words(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{}: {}", db.code().code(), db.message()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

/// A statement of the demonstration itself failed.
pub(in crate::demo) fn fault(error: &tokio_postgres::Error, sql: &str) -> Fault {
    failed(words(error), sql)
}

/// Runs statements without rows.
pub(in crate::demo) async fn execute(client: &Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).await.map_err(|e| fault(&e, sql))
}

/// The rows of a query.
pub(in crate::demo) async fn query(
    client: &Client,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Row>> {
    client.query_typed(sql, parameters).await.map_err(|e| fault(&e, sql))
}

/// See [`super::database::Database::found`].
pub(in crate::demo) async fn found(client: &Client, rows: u32) -> Result<Found> {
    let filled = i64::from(rows);
    let missing = "SELECT n FROM generate_series(1::bigint, $1) AS n
                   LEFT JOIN orders AS o ON o.id = n WHERE o.id IS NULL";
    let missing = query(client, missing, &[(&filled, Type::INT8)]).await?.first_cells()?;
    // Through no index that the change made: an index that is wrong must not hide a row.
    let changed = format!(
        "SELECT n, customer_id, coalesce(status, ''), amount, version, last_op
         FROM (SELECT id::bigint AS n, * FROM orders) AS o
         WHERE n > $1 OR (customer_id, status, amount, version, last_op) IS DISTINCT FROM ({FILL}) ORDER BY n"
    );
    let changed = query(client, &changed, &[(&filled, Type::INT8)]).await?;
    Ok(Found { filled, missing, changed: changed.iter().map(order).collect::<Result<_>>()? })
}

fn order(row: &Row) -> Result<(i64, Order)> {
    let order = Order {
        customer: row.cell(1)?,
        status: row.cell(2)?,
        amount: row.cell(3)?,
        version: row.cell(4)?,
        last_op: row.cell(5)?,
    };
    Ok((row.cell(0)?, order))
}

/// See [`super::database::Database::schema`]. A line each.
pub(in crate::demo) async fn schema(client: &Client) -> Result<Vec<String>> {
    let sql = "
        WITH t AS (SELECT oid, relname FROM pg_catalog.pg_class
                   WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S'))
        SELECT format('table %s', relname) FROM t
        UNION ALL
        SELECT format('column %s.%s %s%s%s', t.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                      CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
                      ' default ' || pg_get_expr(d.adbin, d.adrelid))
        FROM t JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = t.oid AND d.adnum = a.attnum
        UNION ALL
        SELECT format('constraint %s.%s %s', t.relname, c.conname, pg_get_constraintdef(c.oid))
        FROM t JOIN pg_catalog.pg_constraint AS c ON c.conrelid = t.oid
        UNION ALL
        SELECT format('index %s valid %s', pg_get_indexdef(i.indexrelid), i.indisvalid)
        FROM t JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid
        UNION ALL
        SELECT format('trigger %s', pg_get_triggerdef(g.oid))
        FROM t JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.oid AND NOT g.tgisinternal
        ORDER BY 1";
    query(client, sql, &[]).await?.first_cells()
}
