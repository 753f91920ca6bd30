//! SIGINT, SIGTERM and `--timeout`.
//!
//! While a command only reads, any of them ends it at once. While it carries out a run, the first asks the run
//! to stop at its next safe point, and a second signal ends the process there and then: the database holds the
//! record of what was done, and the next command goes on from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cofferdam_core::Code;
use cofferdam_runner::{Stop, StopWhy};

/// How a command is stopped from outside. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Halt {
    stop: Stop,
    driving: Arc<AtomicBool>,
    heeding: Arc<AtomicBool>,
}

impl Halt {
    /// From now on a run is carried out, so stopping means: at the next safe point.
    pub(crate) fn driving(&self) -> &Stop {
        self.driving.store(true, Ordering::SeqCst);
        &self.stop
    }

    fn is_driving(&self) -> bool {
        self.driving.load(Ordering::SeqCst)
    }

    /// Ends when the time is over and no run is being carried out; a run is asked to stop and ends by itself.
    pub(crate) async fn overdue(&self, limit: Option<Duration>) {
        if let Some(limit) = limit {
            tokio::time::sleep(limit).await;
            if !self.is_driving() {
                return;
            }
            self.stop.ask(StopWhy::Timeout);
        }
        std::future::pending::<()>().await;
    }

    /// Heeds signals from now on, in the background. `tell` writes a line for the person at the keyboard.
    pub(crate) fn heed_signals(&self, tell: impl Fn(&str) + 'static + Send) {
        if self.heeding.swap(true, Ordering::SeqCst) {
            return;
        }
        let halt = self.clone();
        tokio::spawn(async move {
            let Some(mut signals) = Signals::new() else { return };
            let first = signals.next().await;
            if !halt.is_driving() {
                end();
            }
            tell(
                "stopping at the next safe point; the same command goes on from there. Again to abort at once",
            );
            halt.stop.ask(first);
            signals.next().await;
            end();
        });
    }
}

/// Ends when somebody asks the process to end.
pub(crate) async fn terminated() {
    match Signals::new() {
        Some(mut signals) => {
            signals.next().await;
        }
        None => std::future::pending().await,
    }
}

fn end() -> ! {
    std::process::exit(i32::from(Code::Interrupted.exit()))
}

/// The signals that ask to stop.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// `None` where the system refuses to deliver them; they then end the process by themselves.
    fn new() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Some(Self {
            interrupt: signal(SignalKind::interrupt()).ok()?,
            terminate: signal(SignalKind::terminate()).ok()?,
        })
    }

    async fn next(&mut self) -> StopWhy {
        tokio::select! {
            _ = self.interrupt.recv() => StopWhy::Interrupt,
            _ = self.terminate.recv() => StopWhy::Terminate,
        }
    }
}

/// See above.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Option<Self> {
        Some(Self)
    }

    async fn next(&mut self) -> StopWhy {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        StopWhy::Interrupt
    }
}
