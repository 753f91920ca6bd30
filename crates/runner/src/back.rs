//! The loop backward: a run that failed, or was given up, is taken back step by step.

use cofferdam_core::fault::{Question, Result};
use cofferdam_core::journal::{StepState, What};
use cofferdam_core::notice::TAKEN_BACK;
use cofferdam_core::online::Part;
use cofferdam_core::plan::{Act, Probe, Seen, Step, Undo};
use cofferdam_core::run::Event;
use cofferdam_core::{Code, Fault, Limits, Phase, Refusal, failpoint};
use cofferdam_engines::Line;

use crate::drive::{Driver, leaves_the_run_as_it_is, left_to_the_next, lost, moved, way};
use crate::guard::{Tries, pause};
use crate::{News, RunSummary};

/// The row that says what was found outside of a run that is to be taken back.
fn found(why: &str) -> What {
    What::Noted { text: format!("{TAKEN_BACK}{why}") }
}

/// One statement of the server, which it carries out or refuses.
fn is_statement(act: &Act) -> bool {
    matches!(act, Act::Sql { .. } | Act::BuildIndex { .. })
}

impl Driver<'_> {
    /// Notes of a run that takes a migration back, before its first step: what was restored, and why it is taken back.
    pub(crate) async fn note_first(&mut self, why: Option<&str>, restored: Vec<String>) -> Result<()> {
        let notes = restored.into_iter().map(|text| What::Noted { text });
        let notes: Vec<What> = why.map(found).into_iter().chain(notes).collect();
        if notes.is_empty() {
            return Ok(());
        }
        let mut lines = way(self.run.phase, Phase::Expanding)?;
        lines.extend(notes.into_iter().map(Line::Write));
        self.commit(Phase::Expanding, lines, Limits::default(), false).await
    }

    /// The run goes to `RollingBack`, with the reason in its journal.
    pub(crate) async fn begin_taking_back(&mut self, step: &str, refusal: &Refusal) -> Result<()> {
        let lines = self.reason_rows();
        self.begin_back(step, refusal, lines).await
    }

    /// The same, with these rows before.
    async fn begin_back(
        &mut self,
        step: &str,
        refusal: &Refusal,
        mut lines: Vec<Line<'static>>,
    ) -> Result<()> {
        self.end_watch();
        let mut phase = self.run.phase;
        if !self.opened {
            // Nothing was committed, but that it was tried and failed is worth a record.
            lines.extend(way(phase, Phase::Expanding)?);
            phase = Phase::Expanding;
        }
        // One that ended before did not fail, whatever failed after it.
        if !step.is_empty() && self.state.steps.get(step) != Some(&StepState::Ended) {
            lines.push(Line::Write(What::Failed { step: step.to_owned(), why: refusal.to_string() }));
            self.state.steps.insert(step.to_owned(), StepState::Failed);
        }
        let first = match refusal.code {
            Code::Mismatch => Event::Diverged,
            Code::Aborted => Event::CancelAsked,
            Code::CheckFailed | Code::LimitBreached | Code::PostCheckFailed => Event::Regressed,
            Code::OverTime => Event::DeadlinePassed,
            _ if step.is_empty() => Event::CancelAsked,
            _ => Event::StepFailed,
        };
        let on = [first, Event::StepFailed, Event::CancelAsked]
            .into_iter()
            .find(|on| phase.next(*on).is_ok())
            .unwrap_or(Event::StepFailed);
        lines.push(moved(phase, on)?);
        self.commit(Phase::RollingBack, lines, Limits::default(), false).await?;
        if failpoint::hit("undo.begun") {
            return Err(lost("undo.begun"));
        }
        Ok(())
    }

    /// Asked for from outside: the run is given up and taken back. `what`: what was found where it was no person who
    /// asked.
    pub(crate) async fn cancel(mut self, why: &str, what: Option<&str>) -> Result<RunSummary> {
        let refusal = Refusal::new(Code::RolledBack, format!("given up because {why}"));
        let mut lines = self.reason_rows();
        lines.extend(what.map(|what| Line::Write(found(what))));
        self.begin_back("", &refusal, lines).await?;
        self.take_back().await?;
        let summary = self.summary();
        self.reporter.tell(&News::RunEnded(&summary));
        Ok(summary)
    }

    /// Undoes what ended, last first. May be called again after a crash in the middle of it.
    pub(crate) async fn take_back(&mut self) -> Result<()> {
        let plan = std::sync::Arc::clone(&self.run.plan);
        let steps: Vec<(bool, &Step)> =
            plan.units.iter().flat_map(|u| u.steps.iter().map(|s| (u.atomic, s))).collect();
        for (atomic, step) in steps.into_iter().rev() {
            let id = format!("undo {}", step.id);
            if self.state.steps.get(&id) == Some(&StepState::Ended)
                || !self.left_something(atomic, step).await?
            {
                continue;
            }
            if let Err(fault) = self.undo(step, &id).await {
                return Err(self.undo_failed(step, &id, fault).await);
            }
            if failpoint::hit("undo.step") {
                return Err(lost("undo.step"));
            }
        }
        if failpoint::hit("undo.before-end") {
            return Err(lost("undo.before-end"));
        }
        let mut lines = self.rto_rows();
        lines.push(moved(Phase::RollingBack, Event::Reverted)?);
        self.commit(Phase::RolledBack, lines, Limits::default(), false).await
    }

    /// Whether there is anything of a step to take back. What failed inside a transaction left nothing; of what
    /// began outside of one, the catalog knows, or a person is asked.
    async fn left_something(&mut self, atomic: bool, step: &Step) -> Result<bool> {
        let state = match self.state.steps.get(&step.id) {
            None => return Ok(false),
            Some(StepState::Ended) => return Ok(true),
            Some(state @ (StepState::Began | StepState::Failed)) => *state,
        };
        if atomic || step.undo == Undo::Nothing {
            return Ok(false);
        }
        match self.session.probe(&step.probe).await? {
            // The server refused the statement. To drop what somebody else made could cost rows.
            Seen::Done if state == StepState::Failed && is_statement(&step.act) => {
                let found = "it is there though the statement failed: somebody else made it, and it is left";
                let (id, title) = (&step.id, &step.title);
                self.reporter.tell(&News::Found { step: id, title, found: found.to_owned() });
                Ok(false)
            }
            Seen::Done | Seen::Partly(_) => Ok(true),
            Seen::NotDone => Ok(false),
            // What the server refused, or a person says did not happen, did not.
            Seen::Unclear(_) if state == StepState::Failed => Ok(false),
            Seen::Unclear(question) => Err(self.not_known(&step.title, &step.id, question).await),
        }
    }

    async fn undo(&mut self, step: &Step, id: &str) -> Result<()> {
        let Undo::Acts { acts, atomic, .. } = &step.undo else { return Ok(()) };
        self.now(Some(id));
        if *atomic {
            let lines: Vec<Line<'_>> =
                acts.iter().map(|act| Line::Perform { id: id.to_owned(), act, step }).collect();
            let mut tries = Tries::new(step.limits);
            loop {
                let result = self.commit(Phase::RollingBack, lines.clone(), step.limits, false).await;
                let Some((wait, _)) = tries.after(result)? else { break };
                pause(wait, &self.stop).await?;
            }
        } else {
            self.undo_outside(step, id, acts).await?;
        }
        self.state.steps.insert(id.to_owned(), StepState::Ended);
        Ok(())
    }

    /// Outside of any transaction: *began* is committed before, *ended* after, and of acts that a runner which is
    /// gone began, the catalog says which are left to do.
    async fn undo_outside(&mut self, step: &Step, id: &str, acts: &[Act]) -> Result<()> {
        let began = self.state.steps.get(id) == Some(&StepState::Began);
        if !began {
            let row = What::Began { step: id.to_owned() };
            self.commit(Phase::RollingBack, vec![Line::Write(row)], Limits::default(), false).await?;
            self.state.steps.insert(id.to_owned(), StepState::Began);
        }
        let mut how = "found in the catalog";
        for act in acts {
            if !began || !self.was_performed(step, id, act).await? {
                self.perform(step, id, act).await?;
                how = "performed";
            }
        }
        let ended = What::Ended { step: id.to_owned(), how: how.to_owned(), ms: None };
        self.commit(Phase::RollingBack, vec![Line::Write(ended)], Limits::default(), false)
            .await
            .map_err(left_to_the_next)
    }

    /// Whether an act of a way back has been performed: an index is there again, or of the step nothing is.
    async fn was_performed(&mut self, step: &Step, id: &str, act: &Act) -> Result<bool> {
        if let Act::BuildIndex { index, .. } = act {
            let valid = Probe::IndexValid { index: index.clone() };
            return Ok(self.session.probe(&valid).await.map_err(left_to_the_next)? == Seen::Done);
        }
        if matches!(step.probe, Probe::Session | Probe::Repeatable) {
            return Ok(false);
        }
        match self.session.probe(&step.probe).await.map_err(left_to_the_next)? {
            Seen::NotDone => Ok(true),
            Seen::Done | Seen::Partly(_) => Ok(false),
            Seen::Unclear(question) => {
                let title = format!("taking back {}", step.title);
                Err(self.not_known(&title, id, question).await)
            }
        }
    }

    /// A person must say what the catalog cannot.
    async fn not_known(&mut self, title: &str, id: &str, question: Question) -> Fault {
        self.now(Some(id));
        let question = Question {
            what: format!("{title}: {}", question.what),
            look_at: format!(
                "{}; if it took effect, take that back by hand, then `cofferdam repair {1} --says not-swapped` to \
                 go on taking back the rest; or take all of it back by hand, then `cofferdam repair {1} --says \
                 reverted`",
                question.look_at, self.run.id
            ),
        };
        self.stuck(question, None).await
    }

    /// A part of an online change is taken back from where it was left, so no person is needed for another try. A
    /// swap that could not be taken back stands, and so does its revert window.
    async fn left_for_another_way_back(
        &mut self,
        step: &Step,
        part: Part,
        id: &str,
        refusal: Refusal,
    ) -> Fault {
        let stands = part == Part::Swap
            && match self.session.probe(&step.probe).await {
                Ok(seen) => seen == Seen::Done,
                Err(fault) => return fault,
            };
        let mut lines = vec![Line::Write(What::Failed { step: id.to_owned(), why: refusal.to_string() })];
        let mut phase = Phase::RollingBack;
        if stands {
            match moved(phase, Event::RevertRefused) {
                Ok(line) => lines.push(line),
                Err(fault) => return fault,
            }
            phase = Phase::Watching;
        }
        if let Err(fault) = self.commit(phase, lines, Limits::default(), false).await {
            return fault;
        }
        // A person decides now; else every runner that comes by would try again.
        if stands && let Err(fault) = self.session.answer_back(self.run.id).await {
            return fault;
        }
        self.state.steps.insert(id.to_owned(), StepState::Failed);
        let run = self.run.id;
        let note = match stands {
            true => format!(
                "the tables stay swapped: cofferdam rollback {run} tries again, cofferdam finalize {run} stays \
                 with the new table"
            ),
            false => format!("cofferdam rollback {run} goes on with taking it back"),
        };
        match &self.breach {
            Some(breach) => refusal.note(format!("it was to be taken back for {}", breach.sentence())),
            None => refusal,
        }
        .note(note)
        .into()
    }

    async fn undo_failed(&mut self, step: &Step, id: &str, fault: Fault) -> Fault {
        let refusal = match fault {
            Fault::Refused(refusal) if leaves_the_run_as_it_is(refusal.code) => {
                return Fault::Refused(refusal);
            }
            Fault::Refused(refusal) => *refusal,
            other => return other,
        };
        self.reporter.tell(&News::Failed { step: id, title: &step.title, why: &refusal });
        if let Act::Online { part, .. } = step.act {
            return self.left_for_another_way_back(step, part, id, refusal).await;
        }
        let question = Question {
            what: format!("taking back {} failed: {refusal}", step.title),
            look_at: format!(
                "remove the cause, then `cofferdam repair {0} --says not-swapped` to go on taking it back; or \
                 take it back by hand, then `cofferdam repair {0} --says reverted`",
                self.run.id
            ),
        };
        self.stuck(question, Some(&refusal)).await
    }
}
