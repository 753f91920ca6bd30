//! The writers together: each on a thread of its own, so that what else goes on here stalls none of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cofferdam_core::{Fault, Result};

use super::ledger::{Entry, Tally, Window};
use super::writer::Writer;

/// How long the first acknowledged writes may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// All writers. Dropping them stops them.
#[derive(Debug)]
pub(super) struct Load {
    url: String,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    /// Those that are not at work.
    idle: Vec<Writer>,
    at_work: Vec<JoinHandle<(Writer, Result<()>)>>,
}

impl Load {
    /// So many writers for a table of so many rows. None is at work yet.
    pub(super) fn new(writers: u32, rows: u32, seed: u64, url: &str) -> Self {
        Self {
            url: url.to_owned(),
            stop: Arc::default(),
            acknowledged: Arc::default(),
            idle: (0..writers).map(|number| Writer::new(number, writers, rows, seed)).collect(),
            at_work: Vec::new(),
        }
    }

    /// Sets the writers to work, and waits until the server acknowledges their writes.
    pub(super) async fn start(&mut self) -> Result<()> {
        self.stop.store(false, Ordering::SeqCst);
        let before = self.acknowledged.load(Ordering::SeqCst);
        for mut writer in self.idle.drain(..) {
            let (url, stop) = (self.url.clone(), Arc::clone(&self.stop));
            let acknowledged = Arc::clone(&self.acknowledged);
            self.at_work.push(std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let outcome = match runtime {
                    Ok(runtime) => runtime.block_on(writer.write(&url, &stop, &acknowledged)),
                    Err(error) => Err(Fault::Bug(format!("no runtime for a writer: {error}"))),
                };
                (writer, outcome)
            }));
        }
        let began = Instant::now();
        let wanted = before + 10 * self.at_work.len() as u64;
        while self.acknowledged.load(Ordering::SeqCst) < wanted {
            if self.at_work.iter().all(JoinHandle::is_finished) || began.elapsed() > PATIENCE {
                self.stop().await?;
                return Err(Fault::Bug("the writers of the demonstration could not write".to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Lets every writer end the write that it is at, and takes them back.
    ///
    /// # Errors
    /// That of a writer that could not connect.
    pub(super) async fn stop(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        let threads = std::mem::take(&mut self.at_work);
        let joined =
            tokio::task::spawn_blocking(|| threads.into_iter().map(JoinHandle::join).collect::<Vec<_>>());
        let mut outcome = Ok(());
        for ended in joined.await.map_err(|e| Fault::Bug(e.to_string()))? {
            let (writer, ended) = ended.map_err(|_| Fault::Bug("a writer panicked".to_owned()))?;
            self.idle.push(writer);
            // A writer that lost its connection has noted that down as a write in doubt; what counts is a
            // writer that never came to write.
            if self.idle.last().is_some_and(|w| w.ledger.entries.is_empty()) {
                outcome = outcome.and(ended);
            }
        }
        outcome
    }

    /// What the writers that are not at work noted down.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.idle.iter().flat_map(|writer| writer.ledger.entries.iter())
    }

    /// What became of the writes of a window.
    pub(super) fn tally(&self, window: &Window) -> Tally {
        Tally::of(self.entries(), window)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}
