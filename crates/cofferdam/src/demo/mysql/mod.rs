//! The demonstration's own look at its database on MySQL and MariaDB.

pub(super) mod half_way;
pub(super) mod scripts;
pub(super) mod server;
pub(super) mod session;

use std::collections::{BTreeSet, HashMap};

use cofferdam_core::{Code, Fault, Refusal, Result};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row};

use super::checker::Found;
use super::shop::{Order, filled};

/// A connection under this name. The URL is one of ours: it names a socket, and the user has no password.
pub(super) async fn connect(url: &str, name: &str) -> Result<Conn> {
    let refused = |cause: String| {
        Fault::from(
            Refusal::new(Code::ConnectFailed, "the demonstration's own server cannot be reached")
                .cause(cause),
        )
    };
    let opts = options(url).ok_or_else(|| refused(format!("{url} names no socket")))?;
    let attributes = HashMap::from([("program_name".to_owned(), name.to_owned())]);
    let opts: Opts = opts.connect_attributes(attributes).into();
    Conn::new(opts).await.map_err(|e| refused(words(&e)))
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
    Refusal::new(Code::StatementFailed, "a statement of the demonstration itself failed")
        .cause(words(error))
        .note(format!("statement: {}", sql.split_whitespace().collect::<Vec<_>>().join(" ")))
        .into()
}

/// The rows of a query.
pub(super) async fn query(conn: &mut Conn, sql: &str) -> Result<Vec<Row>> {
    conn.query(sql).await.map_err(|e| fault(&e, sql))
}

/// The database of the shop.
#[derive(Debug)]
pub(super) struct Shop {
    /// How it is reached.
    pub(super) url: String,
}

impl Shop {
    /// A connection of the demonstration's own.
    pub(super) async fn look(&self) -> Result<Conn> {
        connect(&self.url, "cofferdam demo").await
    }

    /// See [`super::database::Database::found`]. All rows come over and are compared here, with no more memory than for
    /// those that differ.
    pub(super) async fn found(&self, rows: u32) -> Result<Found> {
        let mut conn = self.look().await?;
        // Through no index that the change made: an index that is wrong must not hide a row.
        let sql = "SELECT id, customer_id, COALESCE(status, ''), amount, version, last_op
                   FROM orders FORCE INDEX (PRIMARY) ORDER BY id";
        let failed = |e: mysql_async::Error| fault(&e, sql);
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

    /// Every table as the server prints it.
    pub(super) async fn schema(&self) -> Result<Vec<String>> {
        let mut conn = self.look().await?;
        let sql = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
                   AND LEFT(TABLE_NAME, 11) <> '_cofferdam_' ORDER BY 1";
        let mut schema = Vec::new();
        for table in query(&mut conn, sql).await? {
            let sql = format!("SHOW CREATE TABLE `{}`", table.get::<String, _>(0).unwrap_or_default());
            let shown: Option<(String, String)> =
                conn.query_first(&sql).await.map_err(|e| fault(&e, &sql))?;
            schema.extend(shown.map(|(_, text)| text));
        }
        Ok(schema)
    }

    /// See [`super::database::Database::settle`].
    pub(super) async fn settle(&self) -> Result<()> {
        query(&mut self.look().await?, "ANALYZE TABLE customers, orders").await.map(drop)
    }
}
