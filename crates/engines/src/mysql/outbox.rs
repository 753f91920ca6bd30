//! A mark for each place that is told by notifications. Whoever delivers holds a lock of the place, which ends with its
//! session, however that ends.

use mysql_async::Row;

use cofferdam_core::fault::Result;

use super::link::{self, Link};
use super::reading::{read, time};
use super::tables::Tables;
use super::{claim, errors, record};
use crate::{Mark, Sent};

/// See [`crate::Session::marks`].
pub(super) async fn marks(link: &mut Link, tables: &Tables) -> Result<Vec<Mark>> {
    let sql = format!("{} ORDER BY sink", select(tables));
    Ok(read(link, &sql, vec![]).await?.iter().map(mark).collect())
}

fn select(tables: &Tables) -> String {
    let (failed, sent) = (time("failed_at"), time("sent_at"));
    format!("SELECT sink, sent, attempts, error, {failed}, {sent} FROM {}", tables.outbox)
}

fn mark(row: &Row) -> Mark {
    Mark {
        sink: link::text(row, 0).unwrap_or_default(),
        sent: link::number(row, 1).unwrap_or(0),
        attempts: link::number(row, 2).and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        error: link::text(row, 3),
        failed_at: link::text(row, 4),
        sent_at: link::text(row, 5),
    }
}

/// See [`crate::Session::take_mark`]. A place that this session has it may take again.
pub(super) async fn take(
    link: &mut Link,
    tables: &Tables,
    database: &str,
    sink: &str,
    since: &str,
) -> Result<Option<Mark>> {
    let lock = claim::lock_name(database, &format!("outbox {sink}"));
    let ours = claim::lock_owner(link, &lock).await? == Some(link.id);
    // Taken twice it would have to be given back twice.
    if !ours && !claim::try_lock(link, &lock).await? {
        return Ok(None);
    }
    let sql = format!(
        "INSERT INTO {} (sink, sent) SELECT ?, COALESCE((SELECT MAX(seq) FROM {} WHERE at < ?), 0)
         ON DUPLICATE KEY UPDATE sink = VALUES(sink)",
        tables.outbox, tables.journal
    );
    let values = vec![sink.into(), record::time(since)?.into()];
    link.rows(&sql, values)
        .await
        .map_err(|e| errors::fault(e, "taking the mark of a place for notifications"))?;
    let sql = format!("{} WHERE sink = ?", select(tables));
    Ok(read(link, &sql, vec![sink.into()]).await?.first().map(mark))
}

/// See [`crate::Session::set_mark`].
pub(super) async fn set(link: &mut Link, tables: &Tables, sink: &str, sent: &Sent) -> Result<()> {
    let (sql, values) = match sent {
        Sent::Failed(why) => (
            format!(
                "UPDATE {} SET attempts = attempts + 1, error = ?, failed_at = UTC_TIMESTAMP(6) WHERE sink = ?",
                tables.outbox
            ),
            vec![why.as_str().into(), sink.into()],
        ),
        Sent::Delivered(seq) | Sent::Passed(seq) => {
            let at = match sent {
                Sent::Delivered(_) => "UTC_TIMESTAMP(6)",
                _ => "sent_at",
            };
            let sql = format!(
                "UPDATE {} SET sent = GREATEST(sent, ?), attempts = 0, error = NULL, failed_at = NULL, sent_at = {at}
                 WHERE sink = ?",
                tables.outbox
            );
            (sql, vec![(*seq).into(), sink.into()])
        }
    };
    let written = link.rows(&sql, values).await;
    written.map(drop).map_err(|e| errors::fault(e, "writing down what was delivered"))
}

/// See [`crate::Session::leave_mark`].
pub(super) async fn leave(link: &mut Link, database: &str, sink: &str) -> Result<()> {
    claim::unlock(link, &claim::lock_name(database, &format!("outbox {sink}"))).await
}
