//! From the server's log into the log of keys: each key that changed becomes a row, and the position moves with them in
//! one transaction. A process that dies goes on from there; a key that is written twice is only read again twice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio::sync::watch;

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;

use super::super::link::{self, Link};
use super::binlog::{self, Item, Key, Position, Stream, Watched};
use super::change::Change;
use super::copy::passing;
use super::state::{Places, begin, crash_at, definition_changed, rollback, rows, run};
use super::{table, triggers};

/// So many keys are written at once.
const MOST: usize = 1_000;
/// Keys that are read wait at most so long for others. Also the pause in which a mark is waited for.
const PAUSE: Duration = Duration::from_millis(50);
/// The position of a log in which nothing of ours happens is written down this often.
const QUIET: Duration = Duration::from_secs(10);

/// What is read and not written yet.
struct Held {
    keys: BTreeSet<Key>,
    /// Everything before it is among the keys, or was written.
    at: Option<Position>,
    /// The last mark that was read.
    mark: u64,
    written: Instant,
}

impl Default for Held {
    fn default() -> Self {
        Self { keys: BTreeSet::new(), at: None, mark: 0, written: Instant::now() }
    }
}

impl Held {
    fn take(&mut self, item: Item) {
        match item {
            Item::Keys(keys) => self.keys.extend(keys),
            Item::Mark(mark) => self.mark = self.mark.max(mark),
            Item::End(at) => self.at = Some(at),
        }
    }

    /// Whether it is time to write; `told` is the last mark that others know to be reached.
    fn due(&self, idle: bool, told: u64) -> bool {
        let moved = self.at.is_some() && (self.mark > told || self.written.elapsed() >= QUIET);
        self.keys.len() >= MOST || moved || idle && !self.keys.is_empty()
    }
}

impl Change {
    /// Notes where the server's log ends, if no earlier runner did, and waits until everything before can be seen: from
    /// now on whatever a copy does not see is in the log.
    pub async fn capture(&self) -> Result<()> {
        let mut link = self.worker("capture").await?;
        if self.places.position(&mut link).await?.is_none() {
            let doing = "noting where the binary log ends";
            let ending = binlog::ending(&mut link, self.version).await?;
            let ending = ending.ok_or_else(|| Fault::Bug("the binary log was switched off".into()))?;
            begin(&mut link, &self.places, self.epoch).await?;
            self.places.reached(&mut link, &ending.position).await?;
            run(&mut link, "COMMIT", doing).await?;
        }
        // What is done to the table from now on stands behind the position.
        if table::definition(&mut link, &self.source).await? != self.definition {
            return Err(definition_changed(&self.online.table));
        }
        crash_at("online.capture.before-commit")?;
        self.mark(&mut link).await.map(drop)
    }

    /// Writes a mark, and comes back when its commit was answered.
    pub(super) async fn mark(&self, link: &mut Link) -> Result<u64> {
        mark(link, &self.places, self.epoch).await
    }

    /// The number of the last key that is in the log of keys; 0: there is none.
    pub(super) async fn logged(&self, link: &mut Link) -> Result<u64> {
        let sql = format!("SELECT COALESCE(MAX(seq), 0) FROM {}", self.places.log);
        let found = rows(link, &sql, "reading the log of keys").await?;
        Ok(found.first().and_then(|row| link::number(row, 0)).unwrap_or(0).unsigned_abs())
    }

    /// Does `work` while keys are read from the server's log and written down. Both end with the first of them that
    /// fails, or when the work is done. The work gets what tells which mark was reached.
    pub async fn following<T>(&self, work: impl AsyncFnOnce(Reached) -> Result<T>) -> Result<T> {
        let mut link = self.worker("follow").await?;
        let from = self.places.position(&mut link).await?;
        let from =
            from.ok_or_else(|| Fault::Bug("where the binary log is to be read from is not known".into()))?;
        let stream = Stream::open(&self.options, self.watched(), from).await?;
        let (tell, reached) = watch::channel(0);
        tokio::select! {
            fault = self.follow(&mut link, stream, tell) => Err(fault),
            done = work(Reached(reached)) => done,
        }
    }

    async fn follow(&self, link: &mut Link, stream: Stream, tell: watch::Sender<u64>) -> Fault {
        let mut held = Held::default();
        // Keeps what it is waiting for when the wait below is given up.
        let items = futures::stream::unfold(stream, |mut stream| async move {
            let item = stream.next().await;
            Some((item, stream))
        });
        let mut items = std::pin::pin!(items);
        loop {
            // Without a word for a moment, what is held is written.
            let idle = match tokio::time::timeout(PAUSE, items.next()).await {
                Err(_) => true,
                Ok(Some(Err(fault))) => return fault,
                Ok(None) => return Fault::Bug("the binary log ended".into()),
                Ok(Some(Ok(item))) => {
                    held.take(item);
                    false
                }
            };
            if !held.due(idle, *tell.borrow()) {
                continue;
            }
            if let Err(fault) = passing(async || self.write(link, &held).await).await {
                return fault;
            }
            tell.send_replace(held.mark);
            held = Held { mark: held.mark, ..Held::default() };
        }
    }

    async fn write(&self, link: &mut Link, held: &Held) -> Result<()> {
        begin(link, &self.places, self.epoch).await?;
        let written = self.write_open(link, held).await;
        if written.is_err() {
            rollback(link).await;
        }
        written
    }

    async fn write_open(&self, link: &mut Link, held: &Held) -> Result<()> {
        let keys: Vec<Key> = held.keys.iter().cloned().collect();
        self.log_keys(link, &keys).await?;
        if let Some(at) = &held.at {
            self.places.reached(link, at).await?;
        }
        run(link, "COMMIT", "writing down keys").await.map(drop)
    }

    /// Adds keys to the log of keys, within the open transaction.
    pub(super) async fn log_keys(&self, link: &mut Link, keys: &[Key]) -> Result<()> {
        self.write_keys(link, &self.places.log, keys, "writing down keys").await
    }

    /// Writes keys into one of our tables.
    pub(super) async fn write_keys(
        &self,
        link: &mut Link,
        place: &str,
        keys: &[Key],
        doing: &str,
    ) -> Result<()> {
        let columns = self.key_list();
        for some in keys.chunks(MOST) {
            let keys: Vec<String> = some.iter().map(|key| format!("({})", key.join(", "))).collect();
            run(link, &format!("INSERT INTO {place} ({columns}) VALUES {}", keys.join(", ")), doing).await?;
        }
        Ok(())
    }

    /// What of the table is followed in the log.
    pub(super) fn watched(&self) -> Watched {
        let triggers = triggers::names_of(&self.places);
        Watched { triggers, ..self.shape.watched(&self.places.mark_name) }
    }
}

/// See [`Change::mark`].
pub(super) async fn mark(link: &mut Link, places: &Places, epoch: i64) -> Result<u64> {
    let doing = "writing a mark";
    passing(async || {
        begin(link, places, epoch).await?;
        run(link, &format!("UPDATE {} SET n = LAST_INSERT_ID(n + 1)", places.mark), doing).await?;
        let found = rows(link, "SELECT LAST_INSERT_ID()", doing).await?;
        run(link, "COMMIT", doing).await?;
        Ok(found.first().and_then(|row| link::number(row, 0)).unwrap_or(0).unsigned_abs())
    })
    .await
}

/// Which mark the reader of the server's log has reached: every key before it is in the log of keys.
#[derive(Clone)]
pub struct Reached(watch::Receiver<u64>);

impl Reached {
    /// Waits for a mark.
    pub(super) async fn wait(&mut self, mark: u64) -> Result<()> {
        let gone = |_| Fault::Bug("the reader of the binary log is gone".into());
        self.0.wait_for(|reached| *reached >= mark).await.map(drop).map_err(gone)
    }
}
