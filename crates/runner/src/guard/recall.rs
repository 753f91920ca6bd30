//! The way from the watch to the loop: what it found, told once.

use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_core::{Code, Refusal};
use cofferdam_engines::Stopping;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Condition, Way};

/// A limit that was breached. It is written down as JSON: a later version reads what an earlier one wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Breach {
    /// The limit as it was asked for: `maxDowntime 2s`.
    pub limit: String,
    /// What it is taken back for.
    pub condition: Condition,
    /// What was seen: "orders could not be written for 2.4 s".
    pub text: String,
    /// The run is taken back by itself.
    pub automatic: bool,
    /// When it was found.
    pub at: Timestamp,
}

impl Breach {
    /// `maxDowntime 2s: orders could not be written for 2.4 s`.
    pub fn sentence(&self) -> String {
        format!("{}: {}", self.limit, self.text)
    }

    /// What a run that is taken back for it ends with.
    pub(crate) fn refusal(&self) -> Refusal {
        let (code, what) = match self.condition {
            Condition::Timeout => (Code::OverTime, "the time for the change is over"),
            Condition::PerformanceDegradation => (Code::LimitBreached, "a limit was breached"),
            Condition::CheckFailed => (Code::PostCheckFailed, "a check after the swap does not hold"),
            Condition::DataCorruption => (Code::Mismatch, "the data are not as they must be"),
        };
        Refusal::new(code, what).cause(self.sentence())
    }
}

/// What the watch tells, and what the loop does about it. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recall(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    /// Nothing was found.
    #[default]
    Quiet,
    /// To be heeded, in this way.
    Asked(Box<Breach>, Way),
    /// It was heeded, or it is too late: there is no way back any more.
    Closed,
}

impl Recall {
    /// Tells what was found. The first counts.
    pub(crate) fn ask(&self, breach: Breach, way: Way) {
        let mut state = self.state();
        if matches!(*state, State::Quiet) {
            *state = State::Asked(Box::new(breach), way);
        }
    }

    /// How the engine is to stop.
    pub(crate) fn stopping(&self) -> Stopping {
        match *self.state() {
            State::Asked(_, Way::Immediate) => Stopping::AtOnce,
            State::Asked(_, Way::Graceful) => Stopping::AtSafePoint,
            State::Quiet | State::Closed => Stopping::No,
        }
    }

    /// Something was found and not heeded yet.
    pub(crate) fn asked(&self) -> bool {
        self.stopping().asked()
    }

    /// Ends once something is found.
    pub(crate) async fn found(&self) {
        while !self.asked() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// What was found. From now on nothing more is: what is taken back must not be stopped by what made it so.
    pub(crate) fn heed(&self) -> Option<Breach> {
        match std::mem::replace(&mut *self.state(), State::Closed) {
            State::Asked(breach, _) => Some(*breach),
            State::Quiet | State::Closed => None,
        }
    }

    /// From now on there is no way back, unless something was found already. Returns whether it was.
    pub(crate) fn close(&self) -> bool {
        let mut state = self.state();
        if matches!(*state, State::Quiet) {
            *state = State::Closed;
        }
        matches!(*state, State::Asked(..))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) fn example(condition: Condition) -> Breach {
    Breach {
        limit: "maxDowntime 2s".into(),
        condition,
        text: "orders could not be written for 2.4 s".into(),
        automatic: true,
        at: Timestamp::UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_breach_counts_and_is_heeded_once() {
        let recall = Recall::default();
        assert_eq!(recall.stopping(), Stopping::No);
        recall.ask(example(Condition::Timeout), Way::Immediate);
        recall.ask(example(Condition::CheckFailed), Way::Graceful);
        assert_eq!(recall.clone().stopping(), Stopping::AtOnce);
        assert_eq!(recall.heed().unwrap().condition, Condition::Timeout);
        recall.ask(example(Condition::CheckFailed), Way::Immediate);
        assert_eq!((recall.heed(), recall.stopping()), (None, Stopping::No));
    }

    #[test]
    fn what_comes_after_the_point_of_no_return_is_not_heard_and_what_came_before_is() {
        let late = Recall::default();
        assert!(!late.close());
        late.ask(example(Condition::Timeout), Way::Immediate);
        assert!(!late.asked());
        let early = Recall::default();
        early.ask(example(Condition::Timeout), Way::Graceful);
        assert!(early.close());
        assert_eq!(early.stopping(), Stopping::AtSafePoint);
        assert!(early.heed().is_some());
    }

    #[test]
    fn what_is_written_down_is_a_file_format() {
        let text = r#"{"limit":"maxDowntime 2s","condition":"performance-degradation","text":"orders could not be written for 2.4 s","automatic":true,"at":"1970-01-01T00:00:00Z"}"#;
        let breach = example(Condition::PerformanceDegradation);
        assert_eq!(serde_json::to_string(&breach).unwrap(), text);
        assert_eq!(serde_json::from_str::<Breach>(text).unwrap(), breach);
    }

    #[test]
    fn every_breach_ends_with_exit_code_six() {
        for condition in Condition::ALL {
            let refusal = example(*condition).refusal();
            assert_eq!(refusal.code.exit(), 6, "{condition:?}");
            assert_eq!(
                refusal.cause.as_deref(),
                Some("maxDowntime 2s: orders could not be written for 2.4 s")
            );
        }
    }
}
