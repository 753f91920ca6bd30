//! How often to try again, and how long to wait between two tries.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::fault::Result;
use cofferdam_core::{Fault, Limits, Refusal};
use cofferdam_engines::Session;

use super::Stop;
use crate::{News, SharedReporter};

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
    session.listen(Arc::new(move |tick| reporter.tell(&News::Tick(tick))), Arc::new(move || stop.stopping()));
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Code;

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
}
