//! The loop's part of the watch: it begins it, hears what it found, and says what becomes of the run.

use cofferdam_core::fault::Result;
use cofferdam_core::journal::What;
use cofferdam_core::notice::{STOPPED, TAKEN_BACK};
use cofferdam_core::plan::Unit;
use cofferdam_core::{Code, Fault, Limits, Phase, Refusal, failpoint};
use cofferdam_engines::Line;
use jiff::Timestamp;

use super::seen::shown;
use super::{Breach, Watch};
use crate::drive::{Driver, lost};
use crate::online::change_of;
use crate::{News, Policy};

impl Driver<'_> {
    /// What the policy says beyond the plan.
    pub(crate) fn following(mut self, policy: &Policy) -> Self {
        self.finalize = policy.finalize;
        self.guarding = policy.guarding.clone();
        self
    }

    /// Begins the watch. A run that somebody found must be taken back, and who died before it was, is so now.
    ///
    /// # Errors
    /// See [`Watch::begin`].
    pub(crate) async fn begin_watch(&mut self) -> Result<()> {
        if self.resumed
            && let Some((why, _)) = self.session.asked_back(self.run.id).await?
        {
            match serde_json::from_str::<Breach>(&why) {
                Ok(breach) => self.recall.ask(breach, self.guarding.way),
                Err(error) => return Err(Fault::Bug(format!("cofferdam.recall has {why:?}: {error}"))),
            }
        }
        if !self.recall.asked() {
            self.watch = Watch::begin(&self.guarding, &self.run, &self.recall).await?;
        }
        Ok(())
    }

    /// Before a unit: somebody may want the run to stop, or to be taken back.
    pub(crate) fn may_go_on(&self, next: &Unit) -> Result<()> {
        if self.run.phase == Phase::Contracting {
            // What was found is too late: a half of what cannot be taken back is worse than the whole.
            self.recall.heed();
        } else if !next.atomic && next.steps.iter().any(|step| step.phase == Phase::Contracting) {
            self.recall.close();
        }
        let after = |phase| matches!(phase, Phase::Watching | Phase::Contracting);
        let swapped = after(self.run.phase) || next.steps.first().is_some_and(|step| after(step.phase));
        if let Some(watch) = self.watch.as_ref().filter(|_| swapped && change_of(&self.run).is_some()) {
            watch.swapped();
        }
        if self.recall.asked() { Err(recalled()) } else { self.stop.check() }
    }

    /// What the watch found, where that is the reason for this fault or is to be preferred to it: one after which the
    /// run would be left as it is, and gone on with.
    pub(crate) fn found(&self, fault: &Fault) -> Option<Breach> {
        let gives_way = fault.refusal().is_some_and(|refusal| {
            matches!(
                refusal.code,
                Code::Interrupted | Code::TimedOut | Code::LockNotObtained | Code::BlockedOthers
            )
        });
        (gives_way && self.run.phase != Phase::Contracting).then(|| self.recall.heed()).flatten()
    }

    /// Says what was found and what becomes of the run. `Err`: it is left to a person.
    pub(crate) async fn heed(&mut self, breach: Breach) -> Result<Refusal> {
        let losses = self.losses().await;
        self.reporter.tell(&News::Breached { breach: &breach, losses: &losses });
        if failpoint::hit("guard.found") {
            return Err(lost("guard.found"));
        }
        if !breach.automatic {
            return Err(self.left_to_a_person(&breach, &losses).await);
        }
        let refusal = losses.iter().fold(breach.refusal(), |refusal, loss| refusal.note(loss.clone()));
        self.breach = Some(breach);
        Ok(refusal)
    }

    /// The run is taken back: what made it so must not stop that.
    pub(crate) fn end_watch(&mut self) {
        self.recall.heed();
        if let Some(watch) = self.watch.take() {
            self.measured = Some(watch.report());
        }
    }

    /// What taking the run back now would lose. Before a swap that is nothing: the application wrote to the old table.
    async fn losses(&mut self) -> Vec<String> {
        let Some(id) = change_of(&self.run).map(cofferdam_core::Online::id) else { return Vec::new() };
        let states = self.session.online().await.unwrap_or_default();
        let state = states.iter().find(|state| state.id == id && state.revertible());
        match state.map(|state| state.progress.quarantined) {
            Some(rows) if rows > 0 => {
                vec![format!("{rows} rows written since the swap do not fit into the old table")]
            }
            _ => Vec::new(),
        }
    }

    /// Nobody wants it to be taken back by itself: it stays where it is.
    async fn left_to_a_person(&mut self, breach: &Breach, losses: &[String]) -> Fault {
        let sentence = breach.sentence();
        if self.opened {
            let row = What::Noted { text: format!("{STOPPED}{sentence}") };
            let phase = self.run.phase;
            if let Err(fault) = self.commit(phase, vec![Line::Write(row)], Limits::default(), false).await {
                return fault;
            }
        }
        let refusal =
            Refusal::new(Code::LeftToAPerson, "a limit was breached, and the run waits for a person")
                .cause(sentence)
                .help(match self.opened {
                    true => format!(
                        "take it back: cofferdam rollback {}; or go on: the same command with a wider limit",
                        self.run.id
                    ),
                    false => "nothing was changed; go on: the same command with a wider limit".to_owned(),
                });
        losses.iter().fold(refusal, |refusal, loss| refusal.note(loss.clone())).into()
    }

    /// The rows that say why the run is taken back.
    pub(crate) fn reason_rows(&self) -> Vec<Line<'static>> {
        let text = self.breach.as_ref().map(|breach| format!("{TAKEN_BACK}{}", breach.sentence()));
        text.map(|text| Line::Write(What::Noted { text })).into_iter().collect()
    }

    /// The rows that say how long that took, from when it was found until the old version serves.
    pub(crate) fn rto_rows(&self) -> Vec<Line<'static>> {
        let text = self.rto().map(|rto| format!("the old version served again {rto} after that was found"));
        text.map(|text| Line::Write(What::Noted { text })).into_iter().collect()
    }

    /// From when it was found until now. By the machine's clock, because another process may have found it.
    pub(crate) fn rto(&self) -> Option<String> {
        let found = self.breach.as_ref()?.at;
        let took = std::time::Duration::try_from(Timestamp::now().duration_since(found)).unwrap_or_default();
        Some(shown(took))
    }
}

/// The watch found something: the unit that is at work ends, and nothing new begins.
pub(crate) fn recalled() -> Fault {
    Refusal::new(Code::Interrupted, "the watch found a reason to take the run back").into()
}
