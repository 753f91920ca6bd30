//! Stopping from outside: somebody asks, and the run stands at its next safe point.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Refusal};
use cofferdam_engines::Stopping;

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

    /// How the engine is to stop. What a person or a scheduler asks for leaves the run as it is, so a statement is let
    /// come to its end if that is soon.
    pub(crate) fn stopping(&self) -> Stopping {
        self.asked().into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_to_stop_counts() {
        let stop = Stop::new();
        assert!(stop.check().is_ok());
        stop.clone().ask(StopWhy::Timeout);
        stop.ask(StopWhy::Interrupt);
        assert_eq!(stop.refusal().code, Code::TimedOut);
    }
}
