//! Cutting the space of keys into ranges that are copied in a moment each.
//!
//! The first range is open below and the last one above, so that together they hold every key that there is or will
//! be. How many rows the next one gets follows from how long the last ones took and how wide the rows are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::Client;

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;

use super::flow::{Flow, Range, literal};
use super::worker::{rows, run, value};

/// A chunk aims at so many bytes of the leading table.
const BYTES: f64 = 4.0 * 1024.0 * 1024.0;
/// Fewer rows are not worth a transaction; more make a failed one expensive.
const ROWS: (f64, f64) = (100.0, 50_000.0);

/// A range of keys with its number.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) no: i64,
    pub(super) range: Range,
}

/// Hands out chunks, those first that an earlier runner cut and did not copy.
pub(super) struct Chunks<'f> {
    flow: &'f Flow,
    inner: Mutex<Inner>,
    none_left: AtomicBool,
}

struct Inner {
    client: Client,
    waiting: VecDeque<Chunk>,
    next: i64,
    /// Where the next range begins; `None` before the first.
    low: Option<Vec<String>>,
    /// The last range, which is open above, was cut.
    ended: bool,
    rows: f64,
    most: f64,
}

impl<'f> Chunks<'f> {
    /// `width`: bytes of a row on average.
    pub(super) async fn resume(client: Client, flow: &'f Flow, width: f64) -> Result<Self> {
        let last = format!("no = (SELECT max(no) FROM {})", flow.chunk);
        let last = read(&client, flow, &last).await?.pop();
        let undone = read(&client, flow, "NOT copied").await?;
        let most = (BYTES / width.max(1.0)).clamp(ROWS.0, ROWS.1);
        let inner = Inner {
            client,
            waiting: undone.into(),
            next: last.as_ref().map_or(1, |c| c.no + 1),
            ended: last.as_ref().is_some_and(|c| c.range.high.is_none()),
            low: last.and_then(|c| c.range.high),
            rows: (most / 4.0).max(ROWS.0),
            most,
        };
        Ok(Self { flow, inner: Mutex::new(inner), none_left: AtomicBool::new(false) })
    }

    /// The next chunk to copy, written down before it is handed out; `None`: there is none left.
    pub(super) async fn next(&self) -> Result<Option<Chunk>> {
        let mut inner = self.inner.lock().await;
        if let Some(chunk) = inner.waiting.pop_front() {
            return Ok(Some(chunk));
        }
        if inner.ended {
            self.none_left.store(true, Ordering::SeqCst);
            return Ok(None);
        }
        let range = Range { low: inner.low.clone(), high: self.bound(&inner).await? };
        let chunk = Chunk { no: inner.next, range };
        let insert = format!(
            "INSERT INTO {} (no, low, high) VALUES ({}, {}, {})",
            self.flow.chunk,
            chunk.no,
            array(chunk.range.low.as_deref())?,
            array(chunk.range.high.as_deref())?
        );
        run(&inner.client, &insert, "cutting a chunk").await?;
        inner.next += 1;
        inner.ended = chunk.range.high.is_none();
        inner.low.clone_from(&chunk.range.high);
        Ok(Some(chunk))
    }

    /// Somebody was told already that there is none left.
    pub(super) fn none_left(&self) -> bool {
        self.none_left.load(Ordering::SeqCst)
    }

    /// Cuts all that is left, as if it were copied.
    pub(super) async fn cut_all(&self) -> Result<()> {
        while self.next().await?.is_some() {}
        let inner = self.inner.lock().await;
        let text = format!("UPDATE {} SET copied = true WHERE NOT copied", self.flow.chunk);
        run(&inner.client, &text, "cutting a chunk").await.map(|_| ())
    }

    /// The key at which the next range ends: the one so many rows further on.
    async fn bound(&self, inner: &Inner) -> Result<Option<Vec<String>>> {
        let (flow, alias) = (self.flow, self.flow.source_alias);
        let texts: Vec<String> = flow.key.iter().map(|k| format!("{alias}.{}::text", k.source)).collect();
        let from = Range { low: inner.low.clone(), high: None };
        let query = format!(
            "SELECT {} FROM ONLY {} {alias} WHERE {} ORDER BY {} OFFSET {} LIMIT 1",
            texts.join(", "),
            flow.source,
            flow.source_range(&from)?,
            flow.source_key(),
            inner.rows as u64,
        );
        let found = rows(&run(&inner.client, &query, "cutting a chunk").await?)?;
        let Some(key) = found.into_iter().next() else { return Ok(None) };
        key.into_iter()
            .map(|v| v.ok_or_else(|| Fault::Bug("a column of a key is NULL".into())))
            .collect::<Result<Vec<_>>>()
            .map(Some)
    }

    /// Tells how long a chunk took and how long it was to take, so that the next ones fit.
    pub(super) async fn took(&self, time: Duration, aim: Duration) {
        let mut inner = self.inner.lock().await;
        let factor = (aim.as_secs_f64() / time.as_secs_f64().max(0.001)).clamp(0.5, 1.5);
        inner.rows = (inner.rows * factor).clamp(ROWS.0, inner.most);
    }

    /// A chunk that was not done goes back.
    pub(super) async fn give_back(&self, chunk: Chunk) {
        self.inner.lock().await.waiting.push_front(chunk);
    }
}

/// How many chunks there are that fulfil a condition.
pub(super) async fn count(client: &Client, flow: &Flow, condition: &str) -> Result<u64> {
    let query = format!("SELECT count(*) FROM {} WHERE {condition}", flow.chunk);
    let count = value(client, &query, "counting the chunks").await?;
    Ok(count.and_then(|c| c.parse().ok()).unwrap_or(0))
}

/// The chunks that fulfil a condition, in order.
pub(super) async fn read(client: &Client, flow: &Flow, condition: &str) -> Result<Vec<Chunk>> {
    let width = flow.key.len();
    let bound = |side: &str| (1..=width).map(|n| format!("{side}[{n}]")).collect::<Vec<_>>().join(", ");
    let query = format!(
        "SELECT no, {}, {} FROM {} WHERE {condition} ORDER BY no",
        bound("low"),
        bound("high"),
        flow.chunk
    );
    let found = rows(&run(client, &query, "reading the chunks").await?)?;
    found
        .into_iter()
        .map(|row| {
            let no = row.first().cloned().flatten().and_then(|n| n.parse().ok());
            let no = no.ok_or_else(|| Fault::Bug("a chunk has no number".into()))?;
            let side = |from: usize| row.get(from..from + width)?.iter().cloned().collect::<Option<Vec<_>>>();
            Ok(Chunk { no, range: Range { low: side(1), high: side(1 + width) } })
        })
        .collect()
}

fn array(values: Option<&[String]>) -> Result<String> {
    let Some(values) = values else { return Ok("NULL".into()) };
    let quoted = values.iter().map(|v| literal(v)).collect::<Result<Vec<_>>>()?;
    Ok(format!("ARRAY[{}]::text[]", quoted.join(", ")))
}
