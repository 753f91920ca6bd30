//! Reads the slot as a stream: the server decodes its write-ahead log once, as it is written.
//!
//! What comes is collected while what came before is being logged. A position is confirmed to the server once the keys
//! of everything before it are on disk, never earlier: a crash reads again what was not confirmed. Memory holds at most
//! twice [`MOST`]: of a larger transaction parts are logged, which is right as it was committed before its first
//! message was sent, and its end is confirmed with its last part.

use std::convert::Infallible;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use tokio::sync::watch;
use tokio::time::Instant;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Refusal};

use super::super::{Work, worker};
use super::decoder::Decoder;
use super::log::{Log, WORDS};
use super::{TRIES, free, name};
use crate::postgres::replication::{Event, Replication, Stream};

/// Keys that are collected at most.
const MOST: usize = 20_000;
/// Their bytes.
const MOST_BYTES: usize = 4 << 20;
/// So long is collected where nobody waits.
const COLLECT: Duration = Duration::from_millis(50);
/// So often the server hears of us, whatever happens; `wal_sender_timeout` is a minute unless somebody changed it.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// So often it is asked for its position while somebody waits.
const ASK: Duration = Duration::from_millis(20);

/// Logs keys until something fails.
pub(super) async fn pump(work: &Work<'_>) -> Result<Infallible> {
    let log = Log::open(work).await?;
    let stream = begin(work, &log).await?;
    let decoder = Decoder::new(super::key(&work.flow));
    let wishes = work.decoded.wishes();
    let now = Instant::now();
    Pump {
        work,
        log: &log,
        stream,
        decoder,
        wishes,
        logged: 0,
        confirmed: 0,
        asked: false,
        heard: now,
        due: now,
    }
    .run()
    .await
}

/// A stream of the slot. An earlier runner that still reads it is ended, as it must not write any more.
async fn begin(work: &Work<'_>, log: &Log<'_>) -> Result<Stream> {
    log.fenced().await?;
    let standbys = "SELECT pg_catalog.current_setting('synchronous_standby_names')";
    let standbys = worker::value(log.client(), standbys, "reading settings").await?.unwrap_or_default();
    if standbys.contains('*') {
        return Err(Refusal::new(Code::NotOnline, "the server would take the stream for a standby")
            .cause(format!("synchronous_standby_names is {standbys}"))
            .into());
    }
    let mut tries = 0;
    while free(log.client(), work.change).await? && tries < TRIES {
        tries += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut options = work.session.watch_options().only(&log.connected.described);
    options.application_name = "cofferdam stream".to_owned();
    let mut connection = Replication::open(&options).await?;
    connection.query(WORDS).await?;
    connection.start(&name(work.change), &name(work.change)).await
}

struct Pump<'p> {
    work: &'p Work<'p>,
    log: &'p Log<'p>,
    stream: Stream,
    decoder: Decoder,
    wishes: watch::Receiver<u64>,
    /// The keys of all before this position are logged.
    logged: u64,
    /// What the server was told last.
    confirmed: u64,
    /// It asked to be told again.
    asked: bool,
    /// When it was told.
    heard: Instant,
    /// When what was collected is to be logged or confirmed.
    due: Instant,
}

impl<'p> Pump<'p> {
    async fn run(mut self) -> Result<Infallible> {
        // What is being logged: up to which position everything is, then.
        let mut logging: Option<BoxFuture<'p, Result<u64>>> = None;
        loop {
            let pending = !self.decoder.keys().is_empty();
            let full = self.decoder.keys().count() >= MOST || self.decoder.keys().bytes >= MOST_BYTES;
            if logging.is_none() && !pending {
                self.reached(self.decoder.end());
            }
            let waited_for = *self.wishes.borrow_and_update() > self.logged;
            let due = waited_for || Instant::now() >= self.due;
            if logging.is_none() && pending && (full || due) {
                let (keys, end, log) = (self.decoder.take(), self.decoder.end(), self.log);
                logging = Some(async move { log.add(&keys).await.map(|()| end) }.boxed());
                continue;
            }
            let unconfirmed = self.logged > self.confirmed || self.asked;
            let silence = if waited_for { ASK } else { HEARTBEAT };
            if (unconfirmed && due) || self.heard.elapsed() >= silence {
                self.confirm(waited_for).await?;
                continue;
            }
            let next =
                if unconfirmed || (pending && logging.is_none()) { self.due } else { self.heard + silence };
            tokio::select! {
                // What has come is read before anything is said to have been waited for long enough.
                biased;
                logged = wait_for(&mut logging) => {
                    logging = None;
                    self.reached(logged?);
                    worker::crash_at("online.slot.logged")?;
                    self.confirm(false).await?;
                    self.due = Instant::now() + COLLECT;
                }
                event = self.stream.next(), if !full => {
                    match event? {
                        Event::Data(data) => self.decoder.message(&data)?,
                        Event::Position { position, asked } => {
                            self.decoder.position(position);
                            self.asked |= asked;
                        }
                    }
                    if !pending && !unconfirmed {
                        self.due = Instant::now() + COLLECT;
                    }
                }
                () = tokio::time::sleep_until(next.min(self.heard + silence)) => {}
                _ = self.wishes.changed(), if !waited_for => self.confirm(true).await?,
            }
        }
    }

    /// Tells whoever waits.
    fn reached(&mut self, position: u64) {
        self.logged = self.logged.max(position);
        self.work.decoded.reached(self.logged);
    }

    async fn confirm(&mut self, ask: bool) -> Result<()> {
        self.stream.confirm(self.logged, ask).await?;
        (self.confirmed, self.asked, self.heard) = (self.logged, false, Instant::now());
        Ok(())
    }
}

async fn wait_for(logging: &mut Option<BoxFuture<'_, Result<u64>>>) -> Result<u64> {
    match logging {
        Some(logging) => logging.await,
        None => std::future::pending().await,
    }
}
