//! When to stop, and how often to try again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Limits, Refusal};
use cofferdam_engines::Session;

use crate::{News, SharedReporter};

/// Asks a run to stop at its next safe point. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicU8>);

/// Why a run should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StopWhy {
    /// Somebody pressed Ctrl-C.
    Interrupt = 1,
    /// SIGTERM: the machine or the scheduler wants us gone.
    Terminate = 2,
    /// The time of `--timeout` is over.
    Timeout = 3,
}

impl Stop {
    /// Nobody asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks. The first reason counts.
    pub fn ask(&self, why: StopWhy) {
        let _ = self.0.compare_exchange(0, why as u8, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Somebody asked.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }

    /// The refusal to end with, once somebody asked.
    pub fn refusal(&self) -> Refusal {
        let (code, what) = match self.0.load(Ordering::SeqCst) {
            3 => (Code::TimedOut, "stopped at a safe point: the time given with --timeout is over"),
            2 => (Code::Interrupted, "stopped at a safe point after SIGTERM"),
            _ => (Code::Interrupted, "stopped at a safe point"),
        };
        Refusal::new(code, what).help("run the same command again: it goes on from here")
    }

    /// An error where somebody asked.
    pub(crate) fn check(&self) -> Result<()> {
        if self.asked() { Err(self.refusal().into()) } else { Ok(()) }
    }
}

/// Counts the tries of one unit.
pub(crate) struct Tries {
    limits: Limits,
    done: u32,
}

impl Tries {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, done: 0 }
    }

    /// Takes the outcome of a try. `Ok(None)`: it is over. `Ok(Some(pause))`: try again after the pause.
    pub(crate) fn after(&mut self, result: Result<()>) -> Result<Option<(Duration, Refusal)>> {
        let (after, why) = match result {
            Ok(()) => return Ok(None),
            Err(Fault::Again { after, why }) => (after, *why),
            Err(other) => return Err(other),
        };
        self.done += 1;
        if self.done >= self.limits.tries {
            return Err(why.note(format!("tried {} times", self.done)).into());
        }
        Ok(Some((self.limits.pause(self.done, rand::random()).max(after), why)))
    }

    /// How many tries were made.
    pub(crate) fn done(&self) -> u32 {
        self.done
    }
}

/// Sleeps, but not past a stop.
pub(crate) async fn pause(duration: Duration, stop: &Stop) -> Result<()> {
    let until = tokio::time::Instant::now() + duration;
    while tokio::time::Instant::now() < until {
        stop.check()?;
        tokio::time::sleep((until - tokio::time::Instant::now()).min(Duration::from_millis(50))).await;
    }
    stop.check()
}

/// While the run lock is waited for there is no run yet; who holds it is still told.
pub(crate) fn listen_while_claiming(session: &mut dyn Session, reporter: &SharedReporter, stop: &Stop) {
    let reporter = Arc::clone(reporter);
    let stop = stop.clone();
    session.listen(Arc::new(move |tick| reporter.tell(&News::Tick(tick))), Arc::new(move || stop.asked()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again() -> Result<()> {
        Err(Fault::Again {
            after: Duration::ZERO,
            why: Box::new(Refusal::new(Code::LockNotObtained, "no lock")),
        })
    }

    #[test]
    fn tries_end_with_the_reason_and_their_number() {
        let mut tries = Tries::new(Limits { tries: 3, ..Limits::default() });
        assert!(tries.after(again()).unwrap().is_some());
        assert!(tries.after(again()).unwrap().is_some());
        let fault = tries.after(again()).unwrap_err();
        let refusal = fault.refusal().unwrap();
        assert_eq!(refusal.code, Code::LockNotObtained);
        assert_eq!(refusal.notes, ["tried 3 times"]);
    }

    #[test]
    fn what_cannot_succeed_later_is_not_tried_again() {
        let mut tries = Tries::new(Limits::default());
        assert!(tries.after(Err(Refusal::new(Code::StatementFailed, "no").into())).is_err());
        assert!(tries.after(Ok(())).unwrap().is_none());
    }

    #[test]
    fn the_first_reason_to_stop_counts() {
        let stop = Stop::new();
        assert!(stop.check().is_ok());
        stop.clone().ask(StopWhy::Timeout);
        stop.ask(StopWhy::Interrupt);
        assert_eq!(stop.refusal().code, Code::TimedOut);
    }
}
