//! The one loop: units forward, and, when one fails, what was done backward.
//!
//! Written down, done, written down. What one transaction can hold is written in one: the run's row, the phases
//! that are passed, the statements, and at the end the history. Between two units nothing is open, and a process
//! that dies there, or anywhere else, leaves a journal that the next one can go on from.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cofferdam_core::fault::{Question, Result};
use cofferdam_core::journal::{State, StepState, What};
use cofferdam_core::plan::{Act, Probe, Step, Unit};
use cofferdam_core::run::Event;
use cofferdam_core::{Code, Fault, Limits, Phase, Refusal, failpoint};
use cofferdam_engines::{Batch, Line, Run, Session, Stopping, Tick};

use crate::guard::{Breach, Guarded, Guarding, Recall, Stop, Tries, Watch, pause};
pub(crate) use crate::outcome::{leaves_the_run_as_it_is, left_to_the_next, lost, moved, unanswered, way};
use crate::{News, RunSummary, SharedReporter};

/// What carries out one run.
pub(crate) struct Driver<'a> {
    pub(crate) session: &'a mut dyn Session,
    pub(crate) reporter: SharedReporter,
    pub(crate) stop: Stop,
    /// As stored: its phase is the committed one.
    pub(crate) run: Run,
    pub(crate) state: State,
    /// The run's row is in the database.
    pub(crate) opened: bool,
    pub(crate) resumed: bool,
    /// The revert window of an online change is ended at once.
    pub(crate) finalize: bool,
    /// What is to be watched.
    pub(crate) guarding: Guarding,
    pub(crate) watch: Option<Watch>,
    /// By which the watch is heard.
    pub(crate) recall: Recall,
    /// The application was watched after the swap.
    pub(crate) baked: bool,
    /// Why the run is taken back, where the watch found it.
    pub(crate) breach: Option<Breach>,
    /// What the watch had measured when it ended.
    pub(crate) measured: Option<Guarded>,
    began: Instant,
    /// The step that is being performed, for the message when it fails.
    current: Arc<Mutex<Option<String>>>,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(
        session: &'a mut dyn Session,
        reporter: SharedReporter,
        stop: Stop,
        run: Run,
        state: State,
        opened: bool,
    ) -> Self {
        let current = Arc::new(Mutex::new(None));
        let recall = Recall::default();
        listen(session, &reporter, (&stop, &recall), &run, &current);
        Self {
            session,
            reporter,
            stop,
            run,
            state,
            opened,
            resumed: opened,
            finalize: false,
            guarding: Guarding::default(),
            watch: None,
            recall,
            baked: false,
            breach: None,
            measured: None,
            began: Instant::now(),
            current,
        }
    }

    /// Carries the run to its end.
    pub(crate) async fn drive(mut self) -> Result<RunSummary> {
        let plan = Arc::clone(&self.run.plan);
        self.reporter.tell(&News::RunBegan { run: self.run.id, plan: &plan, resumed: self.resumed });
        if self.run.phase == Phase::RollingBack {
            self.take_back().await?;
            return Ok(self.summary());
        }
        self.begin_watch().await?;
        if self.resumed {
            self.restore_session(&plan.units).await?;
        }
        let last = plan.units.len().saturating_sub(1);
        for (index, unit) in plan.units.iter().enumerate() {
            if unit.steps.iter().all(|s| self.state.steps.get(&s.id) == Some(&StepState::Ended)) {
                continue;
            }
            if self.is_to_bake(unit)
                && let Err(fault) = self.bake().await
            {
                return Err(self.failed(fault).await);
            }
            if self.window_is_open(unit) {
                if self.recall.close() {
                    return Err(self.failed(crate::guard::recalled()).await);
                }
                let summary = self.summary();
                self.reporter.tell(&News::RunEnded(&summary));
                return Ok(summary);
            }
            let result = match self.may_go_on(unit) {
                Err(fault) => Err(fault),
                Ok(()) if unit.atomic => self.atomic(unit, index == last).await,
                Ok(()) => self.loose(unit, index == last).await,
            };
            if let Err(fault) = result {
                return Err(self.failed(fault).await);
            }
        }
        if self.run.phase != Phase::Done {
            if failpoint::hit("run.before-done") {
                return Err(lost("run.before-done"));
            }
            let lines = self.way(Phase::Done)?;
            self.commit(Phase::Done, lines, Limits::default(), true).await.map_err(left_to_the_next)?;
        }
        if failpoint::hit("run.done") {
            return Err(lost("run.done"));
        }
        let summary = self.summary();
        self.reporter.tell(&News::RunEnded(&summary));
        Ok(summary)
    }

    /// A unit in one transaction with everything that is to be written about it.
    async fn atomic(&mut self, unit: &Unit, last: bool) -> Result<()> {
        let mut lines = Vec::new();
        let mut phase = self.run.phase;
        for step in &unit.steps {
            lines.extend(way(phase, step.phase)?);
            phase = step.phase;
            lines.push(Line::Perform { id: step.id.clone(), act: &step.act, step });
        }
        if last {
            lines.extend(way(phase, Phase::Done)?);
            phase = Phase::Done;
        }
        let limits = unit.steps.first().map(|s| s.limits).unwrap_or_default();
        self.now(unit.steps.first().map(|s| s.id.as_str()));
        let mut tries = Tries::new(limits);
        loop {
            let result = self.commit(phase, lines.clone(), limits, last).await;
            let Some((wait, why)) = tries.after(result)? else { break };
            self.retrying(unit, &tries, &why);
            self.pause(wait).await?;
        }
        for step in &unit.steps {
            self.state.steps.insert(step.id.clone(), StepState::Ended);
        }
        Ok(())
    }

    /// A step outside of any transaction: *began* is committed before it, *ended* after it.
    async fn loose(&mut self, unit: &Unit, last: bool) -> Result<()> {
        let Some(step) = unit.steps.first() else { return Ok(()) };
        self.now(Some(&step.id));
        let began = self.state.steps.get(&step.id) == Some(&StepState::Began);
        let mut how = "performed";
        if began && self.found_done(step).await? {
            how = "found in the catalog";
        } else {
            if !began {
                self.refuse_what_is_there(step).await?;
            }
            let mut lines = way(self.run.phase, step.phase)?;
            lines.push(Line::Write(What::Began { step: step.id.clone() }));
            self.commit(step.phase, lines, Limits::default(), false).await?;
            self.state.steps.insert(step.id.clone(), StepState::Began);
            if failpoint::hit("loose.began") {
                return Err(lost("loose.began"));
            }
            self.perform(step, &step.id, &step.act).await?;
        }
        self.ended(step, &step.id, how, last).await
    }

    /// Performs with retries, and tells.
    pub(crate) async fn perform(&mut self, step: &Step, id: &str, act: &Act) -> Result<()> {
        self.now(Some(id));
        self.reporter.tell(&News::StepBegan { step: id, title: &step.title });
        let began = Instant::now();
        let mut tries = Tries::new(step.limits);
        loop {
            let result = self.session.perform(act, step).await.map_err(unanswered);
            let Some((wait, why)) = tries.after(result)? else { break };
            self.reporter.tell(&News::Retrying {
                step: id,
                title: &step.title,
                try_: tries.done() + 1,
                of: step.limits.tries,
                why: &why,
            });
            self.pause(wait).await?;
            // Another runner may have taken over meanwhile, which no statement outside of a transaction would see.
            self.commit(self.run.phase, Vec::new(), Limits::default(), false).await?;
        }
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.reporter.tell(&News::StepEnded { step: id, title: &step.title, ms });
        Ok(())
    }

    async fn ended(&mut self, step: &Step, id: &str, how: &str, last: bool) -> Result<()> {
        let mut lines = vec![Line::Write(What::Ended { step: id.into(), how: how.into(), ms: None })];
        let mut phase = self.run.phase;
        if last {
            lines.extend(way(phase, Phase::Done)?);
            phase = Phase::Done;
            if failpoint::hit("run.before-done") {
                return Err(lost("run.before-done"));
            }
        }
        self.commit(phase, lines, Limits::default(), last).await.map_err(left_to_the_next)?;
        self.state.steps.insert(step.id.clone(), StepState::Ended);
        if failpoint::hit("loose.ended") {
            return Err(lost("loose.ended"));
        }
        Ok(())
    }

    /// Settings that the script made for its session are gone with the runner that made them. One that is refused now
    /// is no failure of the step that made it, nor of any other: the run stays as it is.
    async fn restore_session(&mut self, units: &[Unit]) -> Result<()> {
        for step in units.iter().flat_map(|u| &u.steps) {
            let ended = self.state.steps.get(&step.id) == Some(&StepState::Ended);
            if ended && step.probe == Probe::Session {
                self.now(Some(&step.id));
                self.session.perform(&step.act, step).await.map_err(unanswered).map_err(left_to_the_next)?;
            }
        }
        Ok(())
    }

    /// A unit failed. What that means depends on how far the run is.
    async fn failed(&mut self, fault: Fault) -> Fault {
        let fault = match self.found(&fault) {
            None => fault,
            Some(breach) => match self.heed(breach).await {
                Ok(refusal) => refusal.into(),
                Err(fault) => return fault,
            },
        };
        let refusal = match fault {
            // Nobody can write to the run any more, or somebody wants us to leave it as it is.
            Fault::Refused(refusal) if leaves_the_run_as_it_is(refusal.code) => {
                return Fault::Refused(refusal);
            }
            Fault::Refused(refusal) => *refusal,
            other => return other,
        };
        let step = self.current_step();
        let title = self.run.plan.step(&step).map(|s| s.title.clone()).unwrap_or_default();
        self.reporter.tell(&News::Failed { step: &step, title: &title, why: &refusal });
        if self.breach.is_none() && self.may_be_tried_again(&step, &refusal) {
            return self.left_for_another_try(&step, refusal).await;
        }
        if self.run.phase == Phase::Contracting {
            let question = Question {
                what: format!("{title} failed ({refusal}), and what came before it cannot be taken back"),
                look_at: format!(
                    "remove the cause, then `cofferdam repair {0} --says contract-began` to try it again; or do \
                     it by hand, then `cofferdam repair {0} --says contracted`",
                    self.run.id
                ),
            };
            return self.stuck(question, Some(&refusal)).await;
        }
        if let Err(fault) = self.begin_taking_back(&step, &refusal).await {
            return fault;
        }
        match self.take_back().await {
            Ok(()) => self.taken_back(refusal, &title).into(),
            Err(fault) => fault,
        }
    }

    /// The tables are swapped, and what comes next cannot be taken back: somebody must want it.
    fn window_is_open(&self, next: &Unit) -> bool {
        let contracts = next.steps.first().is_some_and(|step| step.phase == Phase::Contracting);
        contracts && self.run.phase == Phase::Watching && !self.finalize
    }

    /// A part of an online change goes on from where it was, so not every failure is worth giving up hours of work:
    /// not a lock that was not obtained, not one more connection that could not be opened, and nothing once the tables are
    /// swapped.
    fn may_be_tried_again(&self, step: &str, refusal: &Refusal) -> bool {
        let online = self.run.plan.step(step).is_some_and(|s| matches!(s.act, Act::Online { .. }));
        let lock = matches!(refusal.code, Code::LockNotObtained | Code::BlockedOthers);
        let connection = matches!(refusal.code, Code::ConnectFailed | Code::AuthFailed | Code::TlsFailed);
        online && (lock || connection || matches!(self.run.phase, Phase::Watching | Phase::Contracting))
    }

    /// The run stays where it is, with the failure in its journal.
    async fn left_for_another_try(&mut self, step: &str, refusal: Refusal) -> Fault {
        let failed = What::Failed { step: step.to_owned(), why: refusal.to_string() };
        let phase = self.run.phase;
        if let Err(fault) = self.commit(phase, vec![Line::Write(failed)], Limits::default(), false).await {
            return fault;
        }
        let note = match phase {
            Phase::Watching => format!(
                "the tables are swapped: cofferdam finalize {0} goes on, cofferdam rollback {0} takes it back",
                self.run.id
            ),
            Phase::Contracting => format!("the change is there: cofferdam finalize {} goes on", self.run.id),
            _ => "everything done so far is kept: the same command goes on".to_owned(),
        };
        refusal.note(note).into()
    }

    /// The refusal of a run that failed and of which nothing is left: exit code 6, with the cause's own place,
    /// but for a lock that was not obtained, which has an exit code of its own.
    fn taken_back(&self, cause: Refusal, title: &str) -> Refusal {
        if let Some(rto) = self.rto() {
            return cause.note(format!(
                "{} was taken back: nothing of it is left, and the old version served again {rto} after that was found",
                self.run.plan.key
            ));
        }
        let what = format!("{} failed and was taken back: nothing of it is left", self.run.plan.key);
        let mut refusal = match cause.code.exit() {
            5 | 6 => cause.clone(),
            _ => {
                let mut refusal = Refusal::new(Code::RolledBack, what.clone()).cause(match &cause.cause {
                    Some(why) => format!("{title}: {}: {why}", cause.what),
                    None => format!("{title}: {}", cause.what),
                });
                refusal.place.clone_from(&cause.place);
                refusal.notes.clone_from(&cause.notes);
                refusal.help.clone_from(&cause.help);
                refusal
            }
        };
        if refusal.code != Code::RolledBack {
            refusal.notes.push(what);
        }
        refusal
    }

    /// Only a person can go on from here: a step failed, or, without a failure, it is not known what became of it.
    pub(crate) async fn stuck(&mut self, question: Question, failed: Option<&Refusal>) -> Fault {
        let step = self.current_step();
        let phase = self.run.phase;
        let (code, on) = match failed {
            Some(_) => (Code::RollbackFailed, Event::StepFailed),
            None => (Code::OutcomeUnknown, Event::OutcomeUnknown),
        };
        let mut lines = Vec::new();
        if let Some(why) = failed {
            lines.push(Line::Write(What::Failed { step: step.clone(), why: why.to_string() }));
        }
        lines.push(Line::Write(What::Asked { step, question: question.clone() }));
        let written = match moved(phase, on) {
            Ok(line) => {
                lines.push(line);
                self.commit(Phase::Stuck, lines, Limits::default(), false).await
            }
            Err(fault) => Err(fault),
        };
        let refusal = crate::resume::stuck_refusal(code, &self.run, phase, Some(&question));
        match written {
            Ok(()) => refusal.into(),
            // Nobody can state a fact about a run that is not known to be stuck: the next runner comes here again.
            Err(Fault::Refused(why)) => {
                left_to_the_next(why.note(format!("this could not be journalled: {refusal}")).into())
            }
            Err(fault) => fault,
        }
    }

    /// Commits lines under the run, in the phase that it has after them.
    pub(crate) async fn commit(
        &mut self,
        to: Phase,
        lines: Vec<Line<'_>>,
        limits: Limits,
        done: bool,
    ) -> Result<()> {
        let record = (done && to == Phase::Done)
            .then(|| u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX));
        let before = std::mem::replace(&mut self.run.phase, to);
        let batch = Batch { run: &self.run, open: !self.opened, adopt: false, lines, record, limits };
        if let Err(fault) = self.session.commit(&batch).await {
            self.run.phase = before;
            return Err(unanswered(fault));
        }
        let first = !self.opened;
        self.opened = true;
        if first && failpoint::hit("run.opened") {
            return Err(lost("run.opened"));
        }
        Ok(())
    }

    fn way(&self, to: Phase) -> Result<Vec<Line<'static>>> {
        way(self.run.phase, to)
    }

    fn retrying(&self, unit: &Unit, tries: &Tries, why: &Refusal) {
        let id = self.current_step();
        let title = unit.steps.iter().find(|s| s.id == id).map(|s| s.title.as_str()).unwrap_or_default();
        let of = unit.steps.first().map_or(0, |s| s.limits.tries);
        self.reporter.tell(&News::Retrying { step: &id, title, try_: tries.done() + 1, of, why });
    }

    pub(crate) fn now(&self, id: Option<&str>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = id.map(str::to_owned);
    }

    fn current_step(&self) -> String {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    pub(crate) fn summary(&self) -> RunSummary {
        RunSummary {
            run: self.run.id,
            key: self.run.plan.key.clone(),
            description: self.run.plan.description.clone(),
            phase: self.run.phase,
            resumed: self.resumed,
            steps: self.state.steps.values().filter(|s| **s == StepState::Ended).count(),
            ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            guard: self.watch.as_ref().map(Watch::report).or_else(|| self.measured.clone()),
        }
    }

    /// Sleeps, but not past a stop, nor past what the watch finds.
    async fn pause(&self, wait: Duration) -> Result<()> {
        tokio::select! {
            slept = pause(wait, &self.stop) => slept,
            () = self.recall.found() => Err(crate::guard::recalled()),
        }
    }
}

/// Lets the engine's ticks reach the reporter, with the titles of the steps.
fn listen(
    session: &mut dyn Session,
    reporter: &SharedReporter,
    (stop, recall): (&Stop, &Recall),
    run: &Run,
    current: &Arc<Mutex<Option<String>>>,
) {
    let reporter = Arc::clone(reporter);
    let current = Arc::clone(current);
    let titles: std::collections::HashMap<String, String> =
        run.plan.steps().map(|s| (s.id.clone(), s.title.clone())).collect();
    let title = move |id: &str| titles.get(id).cloned().unwrap_or_default();
    let (stop, recall) = (stop.clone(), recall.clone());
    session.listen(
        Arc::new(move |tick| match &tick {
            Tick::StepBegan(id) => {
                *current.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.clone());
                reporter.tell(&News::StepBegan { step: id, title: &title(id) });
            }
            Tick::StepEnded(id, ms) => {
                reporter.tell(&News::StepEnded { step: id, title: &title(id), ms: *ms })
            }
            _ => reporter.tell(&News::Tick(tick.clone())),
        }),
        Arc::new(move || match recall.stopping() {
            Stopping::No => stop.stopping(),
            found => found,
        }),
    );
}
