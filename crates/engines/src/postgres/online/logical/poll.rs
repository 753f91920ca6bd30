//! Reads the slot by asking for what came in, again and again: where no stream can be had. Each question decodes again
//! from where the oldest transaction began that had not ended when the server last noted those that run (every 15 s),
//! so few large ones are cheaper than many small ones, and all are dearer than a stream.

use std::convert::Infallible;
use std::time::Duration;

use futures::StreamExt;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;

use super::super::flow::literal;
use super::super::{Work, worker};
use super::decoder::Decoder;
use super::log::Log;
use super::position::{parse, written};
use super::{free, name};
use crate::postgres::cells::RowCells;
use crate::postgres::errors;

/// Changes that are read at once.
const BATCH: i32 = 100_000;
/// So long nothing is asked where nobody waits.
const IDLE: Duration = Duration::from_millis(50);

/// Logs keys until something fails.
pub(super) async fn pump(work: &Work<'_>) -> Result<Infallible> {
    let log = Log::open(work).await?;
    let mut wishes = work.decoded.wishes();
    loop {
        let upto = "SELECT pg_catalog.pg_current_wal_flush_lsn()";
        let upto =
            worker::value(log.client(), upto, "reading the write-ahead log").await?.unwrap_or_default();
        while !all(work, &log, &upto).await? {}
        work.decoded.reached(parse(&upto)?);
        let _ = tokio::time::timeout(IDLE, wishes.changed()).await;
    }
}

/// Logs the keys of some more changes; `true`: there are no more up to that position.
async fn all(work: &Work<'_>, log: &Log<'_>, upto: &str) -> Result<bool> {
    let (client, doing) = (log.client(), "reading the write-ahead log");
    let slot = name(work.change);
    let query = format!(
        "SELECT data FROM pg_catalog.pg_logical_slot_peek_binary_changes({}, {}, {BATCH},
         'proto_version', '1', 'publication_names', {})",
        literal(&slot)?,
        literal(upto)?,
        literal(&slot)?
    );
    let mut decoder = Decoder::new(super::key(&work.flow));
    let mut read = 0;
    let no_parameters: [(&(dyn ToSql + Sync), Type); 0] = [];
    let answer = async {
        let stream = client.query_typed_raw(&query, no_parameters).await?;
        futures::pin_mut!(stream);
        while let Some(row) = stream.next().await {
            read += 1;
            let row = row?;
            if let Err(fault) = row.cell(0).and_then(|message| decoder.message(message)) {
                return Ok::<Result<()>, tokio_postgres::Error>(Err(fault));
            }
        }
        Ok(Ok(()))
    };
    match answer.await {
        Ok(decoded) => decoded?,
        // An earlier runner still reads it.
        Err(e) if e.code() == Some(&SqlState::OBJECT_IN_USE) => {
            log.fenced().await?;
            free(client, work.change).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Ok(false);
        }
        Err(e) => return Err(errors::fault(e, doing)),
    }
    if read == 0 {
        return Ok(true);
    }
    let keys = decoder.take();
    if !keys.is_empty() {
        log.add(&keys).await?;
        worker::crash_at("online.slot.logged")?;
    }
    if decoder.end() == 0 {
        return Err(Fault::Bug("a logical slot gave half a transaction".into()));
    }
    let advance = format!(
        "SELECT pg_catalog.pg_replication_slot_advance({}, '{}')",
        literal(&slot)?,
        written(decoder.end())
    );
    worker::run(client, &advance, doing).await?;
    Ok(false)
}
