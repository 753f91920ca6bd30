//! A connection whose answers are never mixed up.
//!
//! The driver goes on with a connection of which a query was given up half way, and would take the rest of that
//! answer for the next one's. So what was given up is noticed here, and the connection counts as lost.

use bytes::Bytes;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Error, Params, Row, Value};
use tokio::sync::mpsc::Sender;

use super::Flavour;

/// A connection.
pub(super) struct Link {
    conn: Conn,
    /// The server's number of it.
    pub(super) id: u32,
    pub(super) flavour: Flavour,
    /// A query is under way, or was given up.
    busy: bool,
}

impl Link {
    pub(super) fn new(conn: Conn, flavour: Flavour) -> Self {
        Self { id: conn.id(), conn, flavour, busy: false }
    }

    /// The connection itself, for what it is no longer a connection for statements after.
    pub(super) fn into_conn(self) -> Conn {
        self.conn
    }

    fn enter(&mut self) -> Result<(), Error> {
        if self.busy || self.conn.is_disconnected() {
            return Err(DriverError::ConnectionClosed.into());
        }
        self.busy = true;
        Ok(())
    }

    /// Runs one statement with parameters, which the server reads as a single one, and gives its rows.
    pub(super) async fn rows(&mut self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, Error> {
        self.enter()?;
        let params = if values.is_empty() { Params::Empty } else { Params::Positional(values) };
        let result = self.conn.exec::<Row, _, _>(sql, params).await;
        self.busy = false;
        result
    }

    /// As [`Link::rows`], but keeps no more than so many; with the names of the columns.
    pub(super) async fn some(&mut self, sql: &str, most: usize) -> Result<(Vec<String>, Vec<Row>), Error> {
        self.enter()?;
        let result = some(&mut self.conn, sql, most).await;
        self.busy = false;
        result
    }

    /// Runs one statement as text and throws its rows away as they come. Gives how many warnings there are.
    pub(super) async fn run(&mut self, sql: &str) -> Result<u16, Error> {
        self.enter()?;
        let result = run(&mut self.conn, sql).await;
        self.busy = false;
        result
    }

    /// Runs one statement as text and gives its rows: of what cannot be prepared, and what preparing would forget.
    pub(super) async fn said(&mut self, sql: &str) -> Result<Vec<Row>, Error> {
        self.enter()?;
        let result = self.conn.query::<Row, _>(sql).await;
        self.busy = false;
        result
    }

    /// Runs a query as text and sends on what `piece` makes of its rows. Where nobody takes it any more, the rest is not
    /// read, and the connection is lost.
    pub(super) async fn each(
        &mut self,
        sql: &str,
        piece: impl FnMut(Row) -> Option<Bytes> + Send,
        to: &Sender<Bytes>,
    ) -> Result<(), Error> {
        self.enter()?;
        let result = each(&mut self.conn, sql, piece, to).await;
        self.busy = matches!(&result, Ok(false));
        result.map(drop)
    }

    /// Everything of the session as it was after the login: settings, variables, temporary tables, and locks.
    pub(super) async fn reset(&mut self) -> Result<bool, Error> {
        self.enter()?;
        let result = self.conn.reset().await;
        self.busy = false;
        result
    }
}

async fn run(conn: &mut Conn, sql: &str) -> Result<u16, Error> {
    conn.query_iter(sql).await?.drop_result().await?;
    Ok(conn.get_warnings())
}

/// Whether everything was read.
async fn each(
    conn: &mut Conn,
    sql: &str,
    mut piece: impl FnMut(Row) -> Option<Bytes> + Send,
    to: &Sender<Bytes>,
) -> Result<bool, Error> {
    let mut result = conn.query_iter(sql).await?;
    while let Some(row) = result.next().await? {
        if let Some(piece) = piece(row)
            && to.send(piece).await.is_err()
        {
            return Ok(false);
        }
    }
    result.drop_result().await?;
    Ok(true)
}

async fn some(conn: &mut Conn, sql: &str, most: usize) -> Result<(Vec<String>, Vec<Row>), Error> {
    let mut result = conn.exec_iter(sql, ()).await?;
    let columns = result.columns_ref().iter().map(|c| c.name_str().into_owned()).collect();
    let mut rows = Vec::new();
    while let Some(row) = result.next().await? {
        if rows.len() < most {
            rows.push(row);
        }
    }
    result.drop_result().await?;
    Ok((columns, rows))
}

/// A cell as a text; `None` is NULL, or no such column.
pub(super) fn text(row: &Row, at: usize) -> Option<String> {
    row.as_ref(at).and_then(shown)
}

/// A cell as a number; `None` is NULL, or no number.
pub(super) fn number(row: &Row, at: usize) -> Option<i64> {
    match row.as_ref(at)? {
        Value::Int(n) => Some(*n),
        Value::UInt(n) => i64::try_from(*n).ok(),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    }
}

/// A value as people read it.
pub(super) fn shown(value: &Value) -> Option<String> {
    let time = |micro: &u32| if *micro == 0 { String::new() } else { format!(".{micro:06}") };
    Some(match value {
        Value::NULL => return None,
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().fold("0x".to_owned(), |hex, byte| format!("{hex}{byte:02X}")),
        },
        Value::Int(n) => n.to_string(),
        Value::UInt(n) => n.to_string(),
        Value::Float(n) => n.to_string(),
        Value::Double(n) => n.to_string(),
        Value::Date(y, m, d, 0, 0, 0, 0) => format!("{y:04}-{m:02}-{d:02}"),
        Value::Date(y, m, d, h, min, s, micro) => {
            format!("{y:04}-{m:02}-{d:02} {h:02}:{min:02}:{s:02}{}", time(micro))
        }
        Value::Time(negative, days, h, min, s, micro) => {
            let sign = if *negative { "-" } else { "" };
            format!("{sign}{:02}:{min:02}:{s:02}{}", days * 24 + u32::from(*h), time(micro))
        }
    })
}
