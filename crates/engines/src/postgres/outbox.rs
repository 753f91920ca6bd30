//! `cofferdam.outbox`: a mark for each place that is told by notifications.
//!
//! | column | meaning |
//! |---|---|
//! | `sink` | the place: `slack`, `email`, `webhook`, with the name of a DatabaseMigration behind it where it is one's own |
//! | `sent` | the last row of the journal that needs no more telling |
//! | `attempts`, `error`, `failed_at` | of the row after it |
//! | `sent_at` | when something was last delivered |
//!
//! Whoever delivers holds an advisory lock of the place, which ends with its session, however that ends.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;

use super::cells::{AnswerCells, RowCells};
use super::{errors, reading};
use crate::{Mark, Sent};

/// The first half of the locks' keys: the bytes of "cofo". A key of two halves is never one of the run lock's kind.
const LOCKS: i32 = i32::from_be_bytes(*b"cofo");

/// The table; made with the others, and in a database of an earlier version when it is first needed.
pub(super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS cofferdam.outbox (
    sink text PRIMARY KEY,
    sent bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    error text,
    failed_at timestamptz,
    sent_at timestamptz
);
";

/// See [`crate::Session::marks`].
pub(super) async fn marks(client: &Client) -> Result<Vec<Mark>> {
    let rows = reading::read(client, &format!("{} ORDER BY sink", select()), &[]).await?;
    rows.iter().map(mark).collect()
}

fn select() -> String {
    format!(
        "SELECT sink, sent, attempts, error, {}, {} FROM cofferdam.outbox",
        reading::time("failed_at"),
        reading::time("sent_at")
    )
}

fn mark(row: &tokio_postgres::Row) -> Result<Mark> {
    Ok(Mark {
        sink: row.cell(0)?,
        sent: row.cell(1)?,
        attempts: u32::try_from(row.cell::<i32>(2)?).unwrap_or(0),
        error: row.cell(3)?,
        failed_at: row.cell(4)?,
        sent_at: row.cell(5)?,
    })
}

/// See [`crate::Session::take_mark`].
pub(super) async fn take(client: &Client, sink: &str, since: &str) -> Result<Option<Mark>> {
    let doing = "taking the mark of a place for notifications";
    let sql = "SELECT pg_catalog.pg_try_advisory_lock($1, $2)";
    let locked = client
        .query_typed(sql, &[(&LOCKS, Type::INT4), (&key(sink), Type::INT4)])
        .await
        .map_err(|e| errors::fault(e, doing))?;
    if !locked.first_cell()?.unwrap_or(false) {
        return Ok(None);
    }
    let since = super::record::parse_time(since)?;
    let new = "INSERT INTO cofferdam.outbox (sink, sent)
               SELECT $1, coalesce((SELECT max(seq) FROM cofferdam.journal WHERE at OPERATOR(pg_catalog.<) $2), 0)
               ON CONFLICT DO NOTHING";
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&sink, Type::TEXT), (&since, Type::TIMESTAMPTZ)];
    match client.query_typed(new, &parameters).await {
        Ok(_) => {}
        Err(e) if e.code() == Some(&SqlState::UNDEFINED_TABLE) => {
            create(client).await?;
            client.query_typed(new, &parameters).await.map_err(|e| errors::fault(e, doing))?;
        }
        Err(e) => return Err(errors::fault(e, doing)),
    }
    let rows =
        reading::read(client, &format!("{} WHERE sink = $1", select()), &[(&sink, Type::TEXT)]).await?;
    rows.first().map(mark).transpose()
}

/// Two that make it at the same time: the second is told that it is there already.
async fn create(client: &Client) -> Result<()> {
    match client.batch_execute(TABLE).await {
        Err(e)
            if e.code() != Some(&SqlState::UNIQUE_VIOLATION)
                && e.code() != Some(&SqlState::DUPLICATE_TABLE) =>
        {
            Err(errors::fault(e, "creating cofferdam.outbox"))
        }
        _ => Ok(()),
    }
}

/// See [`crate::Session::set_mark`].
pub(super) async fn set(client: &Client, sink: &str, sent: &Sent) -> Result<()> {
    let written = match sent {
        Sent::Failed(why) => {
            let sql = "UPDATE cofferdam.outbox SET attempts = attempts OPERATOR(pg_catalog.+) 1, error = $2,
                              failed_at = pg_catalog.clock_timestamp() WHERE sink = $1";
            client.query_typed(sql, &[(&sink, Type::TEXT), (why, Type::TEXT)]).await
        }
        Sent::Delivered(seq) | Sent::Passed(seq) => {
            let sql = "UPDATE cofferdam.outbox SET sent = greatest(sent, $2), attempts = 0, error = NULL,
                              failed_at = NULL,
                              sent_at = CASE WHEN $3 THEN pg_catalog.clock_timestamp() ELSE sent_at END
                       WHERE sink = $1";
            let delivered = matches!(sent, Sent::Delivered(_));
            client.query_typed(sql, &[(&sink, Type::TEXT), (seq, Type::INT8), (&delivered, Type::BOOL)]).await
        }
    };
    written.map(drop).map_err(|e| errors::fault(e, "writing down what was delivered"))
}

/// See [`crate::Session::leave_mark`].
pub(super) async fn leave(client: &Client, sink: &str) -> Result<()> {
    let sql = "SELECT pg_catalog.pg_advisory_unlock($1, $2)";
    let left = client.query_typed(sql, &[(&LOCKS, Type::INT4), (&key(sink), Type::INT4)]).await;
    left.map(drop).map_err(|e: tokio_postgres::Error| -> Fault {
        errors::fault(e, "leaving the mark of a place for notifications")
    })
}

/// The second half of a lock's key (FNV-1a). Two places with the same one are told one after the other.
fn key(sink: &str) -> i32 {
    let hash =
        sink.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i32::from_be_bytes(hash.to_be_bytes())
}
