//! The row of a run whose plan is as large as a script of many megabytes.
//!
//! As a parameter its JSON would be held twice, by us and by the driver. So it is written as it is made, through
//! COPY, a piece at a time.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures::{SinkExt, pin_mut};
use tokio::sync::mpsc::{Sender, channel};

use cofferdam_core::fault::Result;
use cofferdam_core::plan::{Act, Plan};
use cofferdam_core::{Fault, Undo};
use tokio_postgres::Client;

use super::record;
use super::record::{parse_time, word};
use crate::Run;

/// In bytes of SQL. Up to here a plan is a parameter like any other.
const LARGE: usize = 4 * 1024 * 1024;

/// How much is made ahead of what the server has taken: so many pieces of so many bytes.
const PIECES: usize = 4;
const PIECE: usize = 64 * 1024;

/// A plan that is to be written here.
pub(super) fn is_large(plan: &Plan) -> bool {
    let length = |act: &Act| match act {
        Act::Sql { sql, copy_rows } => sql.len() + copy_rows.as_ref().map_or(0, |rows| rows.len()),
        Act::BuildIndex { sql, .. } => sql.len(),
        Act::Check { queries } => queries.iter().map(String::len).sum(),
        Act::Online { .. } => 0,
        Act::Park { parking, .. } => parking.sql.len(),
    };
    let bytes: usize = plan
        .steps()
        .map(|step| {
            let undo = match &step.undo {
                Undo::Acts { acts, .. } => acts.iter().map(length).sum(),
                Undo::Nothing | Undo::Impossible { .. } => 0,
            };
            length(&step.act) + undo
        })
        .sum();
    bytes > LARGE
}

/// Writes the row of a new run. To be called inside of the transaction that is to hold it.
pub(super) async fn write_run(client: &Client, run: &Run, epoch: i64, now: jiff::Timestamp) -> Result<()> {
    let ended = run.phase.terminal().then(|| now.to_string());
    let json = |e: serde_json::Error| Fault::Bug(format!("a run as JSON: {e}"));
    let record = serde_json::to_string(&run.record).map_err(json)?;
    let mut row = Vec::new();
    for cell in [
        Some(run.id.to_string()),
        Some(run.plan.key.clone()),
        Some(word(&run.plan.intent)),
        Some(word(&run.phase)),
        Some(epoch.to_string()),
        Some(run.digest.clone()),
        Some(record),
        Some(parse_time(&run.started_at)?.to_string()),
        ended,
        Some(run.by.clone()),
    ] {
        match cell {
            Some(text) => escaped(text.as_bytes(), &mut row),
            None => row.extend(b"\\N"),
        }
        row.push(b'\t');
    }
    let (pieces, mut made) = channel(PIECES);
    let plan = Arc::clone(&run.plan);
    let making = tokio::task::spawn_blocking(move || {
        let mut out = Pieces { pieces, piece: row };
        serde_json::to_writer(&mut out, &*plan).map_err(io::Error::from)?;
        out.piece.push(b'\n');
        out.flush()
    });
    let sink = client
        .copy_in::<_, Bytes>(
            "COPY cofferdam.run
                (id, key, intent, phase, epoch, digest, record, started_at, ended_at, started_by, plan) FROM STDIN",
        )
        .await
        .map_err(record::fault)?;
    pin_mut!(sink);
    while let Some(piece) = made.recv().await {
        sink.send(piece).await.map_err(record::fault)?;
    }
    // Only a row that was made to its end is ended; else the server is told that it will not come.
    let made = making.await.map_err(|e| e.to_string()).and_then(|made| made.map_err(|e| e.to_string()));
    made.map_err(|why| Fault::Bug(format!("a plan as JSON: {why}")))?;
    match sink.finish().await.map_err(record::fault)? {
        1 => Ok(()),
        rows => Err(Fault::Bug(format!("COPY wrote {rows} rows of one run"))),
    }
}

/// Escapes what is written for COPY, and hands it on in pieces.
struct Pieces {
    pieces: Sender<Bytes>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        escaped(bytes, &mut self.piece);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE + PIECE / 4));
        self.pieces.blocking_send(piece.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// As COPY's text format has it.
fn escaped(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'\\' => out.extend(b"\\\\"),
            b'\t' => out.extend(b"\\t"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            other => out.push(*other),
        }
    }
}
