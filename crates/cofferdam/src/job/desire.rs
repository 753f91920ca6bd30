//! What is wanted of a run that is at work: the object is read again and again, and what was changed in it is heeded.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cofferdam_api::DatabaseMigrationSpec;
use cofferdam_api::cutover::CutoverMode;
use cofferdam_core::Online;
use cofferdam_core::fault::Result;
use cofferdam_core::online::Gate;
use cofferdam_engines::{Asked, OnlineState, Session};
use cofferdam_operator::contract::Kind;
use cofferdam_operator::mirror::Unread;
use cofferdam_runner::{Stop, StopWhy};

use super::ending::Wanted;
use super::log::Level;
use super::mirror::View;
use super::reach::{Missed, Reach};
use super::reporter::Report;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(3);

/// Why the run was asked to stop by its object, if it was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asker(Arc<Mutex<Option<Wanted>>>);

impl Asker {
    /// Why.
    pub(crate) fn wanted(&self) -> Option<Wanted> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the run to stop. What somebody else asked for before counts.
    pub(crate) fn ask(&self, stop: &Stop, wanted: Wanted) {
        if !stop.asked() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(wanted);
            stop.ask(StopWhy::Terminate);
        }
    }
}

/// Follows an object while its run is at work.
pub(crate) struct Follower {
    pub(crate) view: View,
    pub(crate) work: Kind,
    pub(crate) reach: Reach,
    pub(crate) report: Arc<Report>,
    pub(crate) stop: Stop,
    pub(crate) asker: Asker,
}

impl Follower {
    /// For ever.
    pub(crate) async fn follow(self) {
        let mut session = None;
        let mut silent = false;
        loop {
            tokio::time::sleep(LOOK).await;
            let spec = match self.view.read().await {
                Ok(object) if object.metadata.deletion_timestamp.is_none() => Some(object.spec),
                // It goes, and only somebody's finalizer keeps it.
                Ok(_) | Err(Unread::Gone) => {
                    self.asker.ask(&self.stop, Wanted::Gone);
                    None
                }
                Err(Unread::Failed(why)) => {
                    if !std::mem::replace(&mut silent, true) {
                        self.report.log.line(Level::Warn, &format!("the object cannot be read: {why}"));
                    }
                    None
                }
            };
            silent &= spec.is_none();
            if spec
                .as_ref()
                .is_some_and(|spec| spec.suspend && matches!(self.work, Kind::Apply | Kind::Container))
            {
                self.asker.ask(&self.stop, Wanted::Suspended);
            }
            if self.work != Kind::Apply {
                // Whoever takes a change back, or ends its window, steers nothing.
                continue;
            }
            let Some(change) = self.report.with(|account, _| account.online().cloned()) else {
                session = None;
                continue;
            };
            if let Err(why) = self.steer(&mut session, &change, spec.as_ref()).await {
                session = None;
                self.report.log.line(Level::Warn, &format!("the change at work cannot be looked at: {why}"));
            }
        }
    }

    /// Looks at the change that is at work, and asks of it what its object wants.
    async fn steer(
        &self,
        session: &mut Option<Box<dyn Session>>,
        change: &Online,
        spec: Option<&DatabaseMigrationSpec>,
    ) -> Result<(), String> {
        if session.is_none() {
            let opened = self.reach.once("cofferdam runner watch").await;
            *session = Some(opened.map_err(|missed| match missed {
                Missed::Key(what) => what,
                Missed::Fault(fault) => super::ending::message(&crate::output::error::refusal(&fault)),
            })?);
        }
        let Some(session) = session else { return Ok(()) };
        let shown =
            |fault: cofferdam_core::Fault| super::ending::message(&crate::output::error::refusal(&fault));
        let states = session.online().await.map_err(shown)?;
        let Some(state) = states.iter().find(|state| state.id == change.id()) else { return Ok(()) };
        self.report.with(|account, _| account.seen(state));
        self.report.counter.looked(state, u64::try_from(LOOK.as_millis()).unwrap_or(0));
        for asked in spec.map(|spec| asked(spec, state)).unwrap_or_default() {
            session.control(&state.id, &asked).await.map_err(shown)?;
            self.report.log.line(Level::Info, &format!("asked for by the object: {}", asked.word()));
        }
        Ok(())
    }
}

/// What is to be asked of a change so that it is as its object wants it.
fn asked(spec: &DatabaseMigrationSpec, state: &OnlineState) -> Vec<Asked> {
    let mut asked = Vec::new();
    if spec.cutover.mode == CutoverMode::Auto && state.change.gate != Gate::Auto && !state.cutover {
        asked.push(Asked::Cutover);
    }
    let workers = spec.throttle.workers;
    let differs = match (workers, state.workers_limit) {
        // What it was planned with cannot be lifted, only what was asked for since.
        (0, limit) => limit.is_some(),
        (workers, limit) => limit.unwrap_or(state.change.workers) != workers,
    };
    if differs {
        asked.push(Asked::Throttle { workers });
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(gate: Gate, cutover: bool, planned: u32, limit: Option<u32>) -> OnlineState {
        OnlineState {
            id: String::new(),
            run: None,
            change: Online {
                table: cofferdam_core::Name::plain("t"),
                clauses: String::new(),
                capture: Default::default(),
                gate,
                forward: vec![],
                backward: vec![],
                allow_loss: None,
                workers: planned,
                proof: Default::default(),
            },
            stage: None,
            progress: Default::default(),
            paused: false,
            cutover,
            abort: false,
            workers_limit: limit,
            full_speed: false,
            poisoned: None,
            began_at: String::new(),
            updated_at: String::new(),
            silent_seconds: 0,
            swapped_at: None,
        }
    }

    #[test]
    fn what_differs_is_asked_for_once() {
        let spec = |mode: &str, workers: u32| -> DatabaseMigrationSpec {
            serde_json::from_value(serde_json::json!({
                "database": { "type": "postgresql", "connectionSecret": "db" },
                "migration": { "scripts": [] },
                "cutover": { "mode": mode }, "throttle": { "workers": workers },
            }))
            .unwrap()
        };
        let cutover = || vec![Asked::Cutover];
        let throttle = |workers| vec![Asked::Throttle { workers }];
        for (spec, state, expected) in [
            (spec("auto", 0), state(Gate::Auto, false, 0, None), vec![]),
            (spec("manual", 0), state(Gate::Manual, false, 0, None), vec![]),
            (spec("auto", 0), state(Gate::Manual, false, 0, None), cutover()),
            (spec("auto", 0), state(Gate::Manual, true, 0, None), vec![]),
            (spec("manual", 2), state(Gate::Manual, false, 0, None), throttle(2)),
            (spec("manual", 2), state(Gate::Manual, false, 2, None), vec![]),
            (spec("manual", 2), state(Gate::Manual, false, 0, Some(2)), vec![]),
            (spec("manual", 0), state(Gate::Manual, false, 2, None), vec![]),
            (spec("manual", 0), state(Gate::Manual, false, 2, Some(1)), throttle(0)),
            (spec("manual", 4), state(Gate::Manual, false, 2, Some(4)), vec![]),
        ] {
            assert_eq!(asked(&spec, &state), expected, "{:?} {:?}", spec.cutover, state.change.gate);
        }
    }
}
