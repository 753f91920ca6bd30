//! What a run says of itself in the status of its DatabaseMigration: pure, with the time as an argument.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use cofferdam_api::conditions::{self, Judgement, State};
use cofferdam_api::status::{Metrics, Progress, SyncStatus, Target};
use cofferdam_api::value::{Sha256, Span};
use cofferdam_api::{
    ConditionType, DatabaseMigration, DatabaseMigrationStatus, Phase as Word, Reason, Stage,
};
use cofferdam_core::online::Part;
use cofferdam_core::plan::{Act, Intent};
use cofferdam_core::{Online, Phase, Plan};
use cofferdam_engines::{Holder, OnlineState, Tick};
use cofferdam_operator::outcome::{Ended, Outcome};
use cofferdam_runner::{News, RunSummary};

use crate::output::mask;

mod backup;
mod watched;
use backup::OWN;

/// The longest texts that the schema takes, in characters.
const TEXT: usize = 512;
const SUMMARY: usize = 64;

/// A step, as far as progress is concerned.
#[derive(Debug, Clone)]
struct Step {
    id: String,
    title: String,
    phase: Phase,
    part: Option<Part>,
    change: Option<Box<Online>>,
    /// Its share of the work.
    weight: f64,
}

/// The steps of one run.
#[derive(Debug, Clone)]
struct Run {
    key: String,
    intent: Intent,
    steps: Vec<Step>,
    ended: bool,
}

/// What is said so far.
#[derive(Debug)]
pub(crate) struct Account {
    status: DatabaseMigrationStatus,
    generation: i64,
    /// The last step of an online change belongs to the run.
    finalize: bool,
    runs: Vec<Run>,
    /// The run and the step that are at work.
    at: Option<(usize, usize)>,
    /// What is counted now, since when, and from where.
    rate: Option<(String, Timestamp, u64)>,
    /// How much of the step is done, 0 to 1.
    part_done: f64,
    left: Option<u64>,
}

impl Account {
    /// Goes on with what is said of the object already. What belongs to a run that ended is kept until the next begins.
    pub(crate) fn new(object: &DatabaseMigration, finalize: bool) -> Self {
        let said = object.status.clone().unwrap_or_default();
        let own = |c: &_| OWN.iter().any(|about| conditions::find(std::slice::from_ref(c), *about).is_some());
        let status = DatabaseMigrationStatus {
            // The operator's, each of them.
            observed_generation: None,
            phase: None::<Word>,
            database: None,
            job_name: None,
            desired_version: None,
            history: Vec::new(),
            conditions: said.conditions.iter().filter(|c| own(c)).cloned().collect(),
            progress: None,
            ..said
        };
        Self {
            status,
            generation: object.metadata.generation.unwrap_or_default(),
            finalize,
            runs: Vec::new(),
            at: None,
            rate: None,
            part_done: 0.0,
            left: None,
        }
    }

    /// As it is to be written, with the time that the run has taken so far.
    pub(crate) fn status(&self, now: Timestamp) -> DatabaseMigrationStatus {
        let mut status = self.status.clone();
        let until = status.completion_time.as_ref().map_or(now, |time| time.0);
        if let Some(began) = &status.start_time {
            let seconds = u64::try_from(until.as_second() - began.0.as_second()).unwrap_or(0);
            let duration = Span::from(std::time::Duration::from_secs(seconds));
            status.metrics = Some(Metrics { duration: Some(duration), ..status.metrics.unwrap_or_default() });
        }
        status
    }

    /// Everything but the time that it has taken: what is worth a write.
    pub(crate) fn kept(&self) -> &DatabaseMigrationStatus {
        &self.status
    }

    pub(crate) fn judge(
        &mut self,
        about: ConditionType,
        state: State,
        reason: Reason,
        message: &str,
        now: Timestamp,
    ) {
        let message = &mask::text(message);
        let judged = Judgement { about, state, reason, message, generation: self.generation };
        conditions::set(&mut self.status.conditions, &judged, now);
    }

    /// The database that was reached. The first one that was is never written over.
    pub(crate) fn reached(&mut self, target: Target) {
        self.status.target.get_or_insert(target);
    }

    pub(crate) fn source(&mut self, digest: &Sha256) {
        self.status.source_digest = Some(digest.clone());
    }

    pub(crate) fn planned(&mut self, digest: &Sha256) {
        self.status.plan_digest = Some(digest.clone());
    }

    pub(crate) fn version(&mut self, current: Option<String>) {
        self.status.current_version = current;
    }

    pub(crate) fn revertible(&mut self, until: Option<Timestamp>) {
        self.status.revertible_until = until.map(whole);
    }

    /// Something is waited for. Before there is a plan, the condition says so too.
    pub(crate) fn waits(&mut self, reason: Reason, text: &str, now: Timestamp) {
        let text = mask::text(text);
        self.progress().blocked_by = Some(cut(&format!("{}: {text}", reason.word()), TEXT));
        if !conditions::holds(&self.status.conditions, ConditionType::Planned, self.generation) {
            self.judge(ConditionType::Planned, State::False, reason, &text, now);
        }
    }

    /// What was waited for is there.
    pub(crate) fn goes_on(&mut self) {
        if let Some(progress) = &mut self.status.progress {
            progress.blocked_by = None;
        }
    }

    /// Runs begin, or go on where another Pod left them.
    pub(crate) fn begins(&mut self, plans: &[&Plan], now: Timestamp) {
        let status = &mut self.status;
        if status.start_time.is_none() || status.completion_time.is_some() {
            status.start_time = Some(whole(now));
            status.completion_time = None;
            status.shadow_table = None;
            status.run_id = None;
            let gone = [ConditionType::Verified, ConditionType::Reversible].map(ConditionType::word);
            status.conditions.retain(|c| !gone.contains(&c.type_.as_str()));
        }
        let mut plans: Vec<Run> = plans.iter().map(|plan| self.run(plan)).collect();
        // Another try: what has ended stays counted.
        self.runs.retain(|run| run.ended);
        self.runs.append(&mut plans);
        self.at = None;
        self.count();
    }

    /// What the last run did is taken back. It stays the last run: its beginning says what is its.
    pub(crate) fn takes_back(&mut self) {
        self.runs.clear();
        self.at = None;
        self.count();
    }

    /// It is over.
    pub(crate) fn ends(&mut self, stage: Option<Stage>, now: Timestamp) {
        let status = &mut self.status;
        status.stage = stage.or(status.stage);
        if status.start_time.is_none() {
            status.start_time = Some(whole(now));
        }
        // One that found nothing to do does not end the earlier one again.
        if status.completion_time.is_none() {
            status.completion_time = Some(whole(now));
        }
    }

    /// The last word. What keeps it from having a plan stands in the condition too.
    pub(crate) fn halted(&mut self, outcome: &Outcome, now: Timestamp) {
        if let Some(progress) = &mut self.status.progress {
            (progress.blocked_by, progress.throttled_by, progress.eta) = (None, None, None);
        }
        if outcome.ended == Ended::Refused
            && !conditions::holds(&self.status.conditions, ConditionType::Planned, self.generation)
        {
            self.judge(ConditionType::Planned, State::False, outcome.reason(), &outcome.message, now);
        }
    }

    pub(crate) fn run_id(&self) -> Option<&str> {
        self.status.run_id.as_deref()
    }

    pub(crate) fn target(&self) -> Option<&Target> {
        self.status.target.as_ref()
    }

    pub(crate) fn start(&self) -> Option<Timestamp> {
        self.status.start_time.as_ref().map(|time| time.0)
    }

    /// The table that is being changed online.
    pub(crate) fn online(&self) -> Option<&Online> {
        self.step()?.change.as_deref()
    }

    fn step(&self) -> Option<&Step> {
        let (run, step) = self.at?;
        self.runs.get(run)?.steps.get(step)
    }

    /// Takes the news of a run.
    pub(crate) fn tell(&mut self, news: &News<'_>, now: Timestamp) {
        match news {
            News::RunBegan { run, plan, .. } => self.run_began(&run.to_string(), plan),
            News::StepBegan { step, title } => self.step_began(step, title),
            News::StepEnded { step, .. } => self.step_ended(step, now),
            News::Retrying { why, .. } => {
                self.progress().blocked_by = Some(cut(&mask::text(&why.to_string()), TEXT))
            }
            News::Tick(tick) => self.tick(tick, now),
            News::Failed { why, .. } => {
                self.status.stage = Some(Stage::RollingBack);
                if why.code == cofferdam_core::Code::Mismatch {
                    let text = why.to_string();
                    self.judge(
                        ConditionType::Verified,
                        State::False,
                        Reason::VerificationMismatch,
                        &text,
                        now,
                    );
                }
            }
            News::Moved { to, .. } => self.status.stage = Some(Stage::from(*to)),
            News::BackedUp(taken) => self.backed_up(taken, now),
            News::RunEnded(summary) => {
                self.watched(news);
                self.run_ended(summary);
            }
            News::Breached { .. } | News::Baking { .. } => self.watched(news),
            News::Planned { .. } | News::Found { .. } => {}
        }
    }

    fn run_began(&mut self, id: &str, plan: &Plan) {
        self.status.run_id = Some(id.to_owned());
        let run = self.run(plan);
        let at = match self.runs.iter().position(|known| known.key == run.key && !known.ended) {
            // As it is carried out: the stored plan of a run that goes on may be another one.
            Some(at) => at,
            None => {
                self.runs.insert(self.runs.iter().filter(|known| known.ended).count(), run.clone());
                self.runs.iter().position(|known| known.key == run.key && !known.ended).unwrap_or(0)
            }
        };
        if let Some(known) = self.runs.get_mut(at) {
            *known = run;
        }
        self.at = Some((at, 0));
        self.status.stage = Some(Stage::Expanding);
        self.begin_part();
    }

    fn step_began(&mut self, id: &str, title: &str) {
        self.goes_on();
        if id.starts_with("undo ") {
            self.status.stage = Some(Stage::RollingBack);
            self.progress().current_step = Some(cut(&format!("taking back: {title}"), TEXT));
            return;
        }
        let Some((run, _)) = self.at else { return };
        let found = self.runs.get(run).and_then(|run| run.steps.iter().position(|step| step.id == id));
        let Some(step) = found else {
            // The end of a revert window that another run leaves open.
            self.status.stage = Some(Stage::Contracting);
            self.progress().current_step = Some(cut(title, TEXT));
            return;
        };
        self.at = Some((run, step));
        self.begin_part();
    }

    /// Says which step is at work.
    fn begin_part(&mut self) {
        (self.rate, self.part_done, self.left) = (None, 0.0, None);
        let Some(step) = self.step().cloned() else { return };
        self.status.stage = Some(Stage::from(step.phase));
        self.progress().current_step = Some(cut(&step.title, TEXT));
        if let (Some(part), Some(change)) = (step.part, &step.change) {
            let table = self.status.shadow_table.get_or_insert_default();
            table.name = Some(match part {
                // From the swap on it is the old one that is kept beside.
                Part::Settle | Part::Finish => format!("{}.{}", change.old_schema(), change.table.name),
                _ => format!("{}.{}", change.new_schema(), change.table.name),
            });
            table.sync_status = Some(match part {
                Part::Create | Part::Capture | Part::Copy => SyncStatus::Copying,
                Part::Index | Part::Compare => SyncStatus::CatchingUp,
                Part::Gate | Part::Swap => SyncStatus::InSync,
                _ => SyncStatus::Swapped,
            });
        }
        self.count();
    }

    fn step_ended(&mut self, id: &str, now: Timestamp) {
        let Some((run, at)) = self.at else { return };
        let Some(step) = self.step().filter(|step| step.id == id).cloned() else { return };
        if step.part == Some(Part::Compare) {
            let text = "both tables were compared row by row and hold the same";
            self.judge(ConditionType::Verified, State::True, Reason::MigrationInProgress, text, now);
        }
        if step.part == Some(Part::Swap) {
            self.status.shadow_table.get_or_insert_default().sync_status = Some(SyncStatus::Swapped);
        }
        self.at = Some((run, at + 1));
        (self.rate, self.part_done, self.left) = (None, 0.0, None);
        self.count();
    }

    fn run_ended(&mut self, summary: &RunSummary) {
        self.status.stage = Some(Stage::from(summary.phase));
        if matches!(summary.phase, Phase::Done | Phase::Watching)
            && let Some((run, _)) = self.at
            && let Some(run) = self.runs.get_mut(run)
        {
            run.ended = true;
            if run.intent == Intent::Apply && !run.key.starts_with("R:") {
                self.status.current_version = Some(run.key.clone());
            }
        }
        self.at = None;
        if let Some(progress) = &mut self.status.progress {
            progress.current_step = None;
            (progress.throttled_by, progress.blocked_by) = (None, None);
        }
        self.count();
    }

    fn tick(&mut self, tick: &Tick, now: Timestamp) {
        match tick {
            Tick::WaitingFor(holders) => {
                self.progress().blocked_by = holders.first().map(named);
            }
            Tick::LockedBy(holder) => self.waits(Reason::LockHeldByOther, &named(holder), now),
            Tick::Progress { doing, done, total } => self.counts(doing, *done, *total, now),
            _ => {}
        }
    }

    fn counts(&mut self, doing: &str, done: u64, total: u64, now: Timestamp) {
        if self.rate.as_ref().is_none_or(|(what, ..)| what != doing) {
            self.rate = Some((doing.to_owned(), now, done));
        }
        if self.step().is_some_and(|step| step.part == Some(Part::Copy)) {
            let table = self.status.shadow_table.get_or_insert_default();
            table.rows_processed = Some(done);
            table.total_rows = Some(total.max(done)).filter(|total| *total > 0);
        }
        if total == 0 {
            return;
        }
        self.part_done = (done as f64 / total as f64).clamp(0.0, 1.0);
        self.left = self.rate.as_ref().and_then(|(_, since, from)| {
            let seconds = (now.as_millisecond() - since.as_millisecond()) as f64 / 1000.0;
            let speed = done.saturating_sub(*from) as f64 / seconds;
            // Over less than two seconds nothing can be said.
            (seconds >= 2.0 && speed > 0.0).then(|| (total.saturating_sub(done) as f64 / speed).ceil() as u64)
        });
        self.progress().eta = None;
        self.count();
        if let Some(left) = self.left {
            let at = Timestamp::from_second(now.as_second().saturating_add_unsigned(left)).ok();
            self.progress().eta = at.map(Time);
        }
    }

    /// What the engine wrote down of the change that is at work.
    pub(crate) fn seen(&mut self, state: &OnlineState) {
        let seen = &state.progress;
        let shown = |text: &Option<String>| text.as_deref().map(|text| cut(&mask::text(text), TEXT));
        let (throttled, blocked) = (shown(&seen.throttled_by), shown(&seen.blocked_by));
        let progress = self.progress();
        progress.throttled_by = throttled;
        if blocked.is_some() {
            progress.blocked_by = blocked;
        }
    }

    fn progress(&mut self) -> &mut Progress {
        self.status.progress.get_or_insert_default()
    }

    /// Puts steps, percent and summary in.
    fn count(&mut self) {
        let (mut steps, mut done, mut all, mut worked) = (0_usize, 0_usize, 0.0, 0.0);
        for (number, run) in self.runs.iter().enumerate() {
            let begun = match self.at {
                _ if run.ended => run.steps.len(),
                Some((at, step)) if at == number => step,
                _ => 0,
            };
            steps += run.steps.len();
            done += begun.min(run.steps.len());
            all += run.steps.iter().map(|step| step.weight).sum::<f64>();
            worked += run.steps.iter().take(begun).map(|step| step.weight).sum::<f64>();
        }
        worked += self.step().map_or(0.0, |step| step.weight * self.part_done);
        let percent = if all > 0.0 { (100.0 * worked / all).clamp(0.0, 100.0) as u8 } else { 100 };
        let left = self.left.map(|seconds| format!(" {}", Span::from(rounded(seconds)).as_str()));
        let number = |n: usize| Some(u32::try_from(n).unwrap_or(u32::MAX));
        let progress = self.progress();
        (progress.total_steps, progress.completed_steps) = (number(steps), number(done));
        progress.percent = Some(percent);
        progress.summary = Some(cut(&format!("{percent}%{}", left.unwrap_or_default()), SUMMARY));
    }
}

/// Without how long it has been at it: a text that changes every second would be written every second.
fn named(holder: &Holder) -> String {
    cut(&format!("pid {} ({}, {})", holder.pid, holder.user, holder.application), TEXT)
}

fn finishes(act: &Act) -> bool {
    matches!(act, Act::Online { part: Part::Finish, .. })
}

/// How much of the time a step takes, roughly: of an online change nearly all goes into the copy.
fn weight(part: Option<Part>) -> f64 {
    match part {
        None => 5.0,
        Some(Part::Copy) => 60.0,
        Some(Part::Index | Part::Compare) => 15.0,
        Some(_) => 1.0,
    }
}

/// In the two largest units, as a person reads it: nobody wants the seconds of an hour.
fn rounded(seconds: u64) -> std::time::Duration {
    let unit = match seconds {
        0..60 => 1,
        60..3_600 => 60,
        3_600..86_400 => 60,
        _ => 3_600,
    };
    std::time::Duration::from_secs(seconds.div_ceil(unit) * unit)
}

/// At most so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// Kubernetes keeps whole seconds.
fn whole(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}

#[cfg(test)]
mod tests;
