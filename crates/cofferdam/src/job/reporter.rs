//! Tells the status of the DatabaseMigration and the log what happens, without ever holding up the run.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use cofferdam_api::{DatabaseMigrationStatus, Reason};
use cofferdam_runner::{News, Reporter};

use super::log::{Level, Log};
use super::mirror::View;
use super::status::Account;
use crate::figures::Counter;
use crate::output::progress::plain::Plain;
use crate::spans::Spans;

/// At most one write in this time.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two tries of a write that fails.
const LONGEST: Duration = Duration::from_secs(30);
/// How long the last write is tried, once the run is over. The message that the Pod ends with says the same.
pub(crate) const AT_THE_END: Duration = Duration::from_secs(10);

/// Who is told of a run.
pub(crate) struct Report {
    account: Mutex<Account>,
    changed: Notify,
    closing: Notify,
    pub(crate) log: Arc<Log>,
    pub(crate) counter: Counter,
    pub(crate) spans: Spans,
    lines: Plain,
    level: Arc<AtomicU8>,
    /// A run began, or went on, in this process.
    began: AtomicU8,
}

impl Report {
    pub(crate) fn new(account: Account, log: Arc<Log>) -> Arc<Self> {
        let spans = Spans::start("cofferdam-runner").unwrap_or_else(|why| {
            log.line(Level::Warn, &format!("there are no traces: {why}"));
            Spans::default()
        });
        let level = Arc::new(AtomicU8::new(0));
        let (sink, of) = (Arc::clone(&log), Arc::clone(&level));
        let lines = Plain::new(
            Box::new(move |line| {
                let level = match of.load(Ordering::Relaxed) {
                    0 => Level::Info,
                    1 => Level::Warn,
                    _ => Level::Error,
                };
                sink.line(level, line);
            }),
            1,
        );
        Arc::new(Self {
            account: Mutex::new(account),
            changed: Notify::new(),
            closing: Notify::new(),
            log,
            counter: Counter::default(),
            spans,
            lines,
            level,
            began: AtomicU8::new(0),
        })
    }

    /// Changes what is said; it is written soon.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Account, Timestamp) -> T) -> T {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut account, Timestamp::now());
        self.changed.notify_one();
        result
    }

    /// Something is waited for.
    pub(crate) fn waits(&self, reason: Reason, text: &str) {
        let new = self.with(|account, now| {
            let before = account.kept().clone();
            account.waits(reason, text, now);
            before != *account.kept()
        });
        if new {
            self.log.line(Level::Warn, &format!("waits: {}: {text}", reason.word()));
        }
    }

    /// A run began, or went on, in this process.
    pub(crate) fn began(&self) -> bool {
        self.began.load(Ordering::Relaxed) != 0
    }

    fn now(&self) -> (DatabaseMigrationStatus, DatabaseMigrationStatus) {
        let account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        (account.kept().clone(), account.status(Timestamp::now()))
    }

    /// Ends [`Report::keep_writing`], once the write that is on its way is over: it must not come after the last one.
    pub(crate) fn close(&self) {
        self.closing.notify_one();
    }

    /// Writes what is new, at most once a second, until it is closed.
    pub(crate) async fn keep_writing(self: Arc<Self>, view: View) {
        let (mut pause, mut written) = (PAUSE, None);
        loop {
            tokio::select! {
                () = self.changed.notified() => {}
                () = self.closing.notified() => return,
            }
            let (kept, status) = self.now();
            if written.as_ref() == Some(&kept) {
                continue;
            }
            match view.write(&status).await {
                Ok(()) => {
                    (pause, written) = (PAUSE, Some(kept));
                }
                Err(why) => {
                    self.log.line(Level::Warn, &format!("the status was not written: {why}"));
                    pause = (pause * 2).min(LONGEST);
                    self.changed.notify_one();
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.closing.notified() => return,
            }
        }
    }

    /// Writes now, where the next Pod must know of it. An API that does not answer is not waited for.
    pub(crate) async fn write_now(&self, view: &View) {
        let (_, status) = self.now();
        let written = tokio::time::timeout(AT_THE_END, view.write(&status)).await;
        if let Ok(Err(why)) = written.map_err(|_| ()) {
            self.log.line(Level::Warn, &format!("the status was not written: {why}"));
        }
    }

    /// Writes for the last time, and tries so for a while.
    pub(crate) async fn write_at_the_end(&self, view: &View) {
        let began = tokio::time::Instant::now();
        let (_, status) = self.now();
        while let Err(why) = view.write(&status).await {
            self.log.line(Level::Warn, &format!("the status was not written: {why}"));
            if began.elapsed() >= AT_THE_END {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Reporter for Report {
    fn tell(&self, news: &News<'_>) {
        if let News::RunBegan { run, .. } = news {
            self.log.set_run(&run.to_string());
            self.began.store(1, Ordering::Relaxed);
        }
        self.counter.tell(news);
        self.spans.tell(news);
        self.with(|account, now| account.tell(news, now));
        let level = match news {
            News::Failed { .. } => 2,
            News::Retrying { .. } | News::Tick(cofferdam_engines::Tick::Blocking(..)) => 1,
            _ => 0,
        };
        self.level.store(level, Ordering::Relaxed);
        self.lines.tell(news);
    }
}
