//! Progress as lines: one for each migration, more where something takes long or does not go as planned.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cofferdam_core::{Phase, Refusal};
use cofferdam_engines::{Holder, Tick};
use cofferdam_runner::{News, Reporter, RunSummary};

use super::Sink;
use crate::args::duration::shown;
use crate::output::{guard, words};

/// A step that took longer than this gets a line of its own.
const SLOW_MS: u64 = 1_000;
/// While something goes on, a line at most so often.
const PAUSE: Duration = Duration::from_secs(5);

/// Writes lines.
pub(crate) struct Plain {
    sink: Sink,
    verbose: u8,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The step that runs now.
    step: String,
    /// Its beginning has been told.
    told: bool,
    /// When the last line about something that goes on was written.
    last: Option<Instant>,
}

impl Plain {
    /// Lines into this sink; `verbose` from 1 on tells every step, from 2 on every change of phase.
    pub(crate) fn new(sink: Sink, verbose: u8) -> Self {
        Self { sink, verbose, state: Mutex::new(State::default()) }
    }

    fn line(&self, text: impl AsRef<str>) {
        (self.sink)(text.as_ref());
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells something that goes on, with the step that it belongs to before the first line.
    fn ongoing(&self, text: &str) {
        let (due, begins) = self.with(|state| {
            let due = state.last.is_none_or(|last| last.elapsed() >= PAUSE);
            if !due {
                return (false, None);
            }
            state.last = Some(Instant::now());
            let begins = (!std::mem::replace(&mut state.told, true)).then(|| state.step.clone());
            (true, begins.filter(|step| !step.is_empty()))
        });
        if let Some(step) = begins {
            self.line(format!("  {step}"));
        }
        if due {
            self.line(format!("    {text}"));
        }
    }

    fn step_begins(&self, step: &str, title: &str) {
        let text = format!("step {step}: {title}");
        let told = self.verbose > 0;
        if told {
            self.line(format!("  {text}"));
        }
        self.with(|state| *state = State { step: text, told, last: None });
    }

    fn step_ended(&self, step: &str, title: &str, ms: u64) {
        let told = self.with(|state| state.told);
        if told || ms >= SLOW_MS {
            self.line(format!("  step {step}: {title}: done in {}", shown(ms)));
        }
        self.with(|state| *state = State::default());
    }

    fn tick(&self, tick: &Tick) {
        match tick {
            Tick::WaitingFor(holders) => self.ongoing(&format!("waits for {}", named(holders))),
            Tick::Blocking(holders, since) => {
                let since = shown(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
                self.ongoing(&format!("has held up others for {since}: {}", named(holders)));
            }
            Tick::Progress { doing, done, total } if *total > 0 => {
                let percent = 100.0 * *done as f64 / *total as f64;
                self.ongoing(&format!("{doing}: {percent:.0} % ({done} of {total})"));
            }
            Tick::Progress { doing, .. } => self.ongoing(doing),
            Tick::Notice(text) if self.verbose > 0 => self.line(format!("    server: {text}")),
            // The runner tells of steps itself.
            Tick::Notice(_) | Tick::Locked(_) | Tick::StepBegan(_) | Tick::StepEnded(..) | Tick::Deed(..) => {
            }
            Tick::LockedBy(holder) => self.ongoing(&format!("waits for another runner: {holder}")),
        }
    }
}

/// The first three, and how many more.
fn named(holders: &[Holder]) -> String {
    let first: Vec<String> = holders.iter().take(3).map(ToString::to_string).collect();
    match holders.len().saturating_sub(first.len()) {
        0 => first.join("; "),
        more => format!("{}; and {more} more", first.join("; ")),
    }
}

/// A refusal in one line, with its notes: they name the blocker.
fn reason(why: &Refusal) -> String {
    let mut text = why.what.clone();
    for note in &why.notes {
        text += &format!("; {note}");
    }
    text
}

/// `✔ 1.5.0  order note  2 steps  4 ms`.
fn ended(run: &RunSummary) -> String {
    let (sign, end) = match run.phase {
        Phase::Done => ("✔", ""),
        Phase::RolledBack => ("↩", "  taken back"),
        Phase::Stuck => ("✖", "  stuck"),
        Phase::Watching => ("✔", "  swapped, can still be taken back"),
        _ => ("…", "  stopped"),
    };
    let steps = words::count(run.steps, "step");
    format!("{sign} {}  {}  {steps}  {}{end}", run.key, run.description, shown(run.ms))
}

impl Reporter for Plain {
    fn tell(&self, news: &News<'_>) {
        match news {
            News::Planned { runs, steps } if self.verbose > 0 => {
                self.line(format!("{}, {}", words::count(*runs, "migration"), words::count(*steps, "step")));
            }
            News::Planned { .. } => {}
            News::RunBegan { run, plan, resumed } => match (resumed, self.verbose) {
                (true, _) => self.line(format!("goes on with {} {} (run {run})", plan.key, plan.description)),
                (false, 0) => {}
                (false, _) => self.line(format!("{} {} (run {run})", plan.key, plan.description)),
            },
            News::Found { step, title, found } => self.line(format!("  step {step}: {title}: found {found}")),
            News::StepBegan { step, title } => self.step_begins(step, title),
            News::StepEnded { step, title, ms } => self.step_ended(step, title, *ms),
            News::Retrying { try_, of, why, .. } => {
                self.ongoing(&format!("try {try_} of {of} failed: {}", reason(why)));
            }
            News::Tick(tick) => self.tick(tick),
            News::Moved { from, on, to } if self.verbose > 1 => {
                self.line(format!("  {from:?} → {to:?} ({on:?})"));
            }
            News::Moved { .. } => {}
            News::Failed { step, title, why } => {
                self.line(format!("  step {step}: {title}: failed: {}", reason(why)));
            }
            News::BackedUp(taken) => self.line(crate::output::backup::told(taken)),
            News::Breached { breach, losses } => self.line(format!("  {}", guard::breached(breach, losses))),
            News::Baking { time } => {
                let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                self.line(format!("  swapped; the application is watched for {}", shown(ms)));
            }
            News::RunEnded(run) => self.line(ended(run)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cofferdam_core::Code;
    use uuid::Uuid;

    use super::*;

    fn told(verbose: u8, news: &[News<'_>]) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let plain = Plain::new(Box::new(move |line| sink.lock().unwrap().push(line.to_owned())), verbose);
        news.iter().for_each(|n| plain.tell(n));
        lines.lock().unwrap().clone()
    }

    fn summary(phase: Phase) -> RunSummary {
        RunSummary {
            run: Uuid::nil(),
            key: "1.5.0".into(),
            description: "order note".into(),
            phase,
            resumed: false,
            steps: 1,
            ms: 4,
            guard: None,
        }
    }

    fn holder() -> Holder {
        Holder {
            pid: 4711,
            user: "shop".into(),
            application: "api".into(),
            client: String::new(),
            state: "idle in transaction".into(),
            seconds: 90,
            statement: String::new(),
        }
    }

    const BEGAN: News<'_> = News::StepBegan { step: "1", title: "add column" };
    const ENDED: News<'_> = News::StepEnded { step: "1", title: "add column", ms: 4 };

    #[test]
    fn a_fast_migration_is_one_line() {
        assert_eq!(
            told(
                0,
                &[News::Planned { runs: 1, steps: 1 }, BEGAN, ENDED, News::RunEnded(&summary(Phase::Done))]
            ),
            ["✔ 1.5.0  order note  1 step  4 ms"]
        );
        assert_eq!(told(1, &[BEGAN, ENDED]).len(), 2);
    }

    #[test]
    fn what_waits_names_its_blocker_once_in_a_while() {
        let waiting = || News::Tick(Tick::WaitingFor(vec![holder()]));
        let lines = told(0, &[BEGAN, waiting(), waiting(), ENDED]);
        assert_eq!(
            lines,
            [
                "  step 1: add column",
                "    waits for pid 4711 (shop, api), idle in transaction for 90 s",
                "  step 1: add column: done in 4 ms",
            ]
        );
    }

    #[test]
    fn a_retry_says_why() {
        let why = Refusal::new(Code::LockNotObtained, "no lock on orders").note("held by pid 4711");
        let news = News::Retrying { step: "1", title: "add column", try_: 2, of: 30, why: &why };
        assert_eq!(
            told(0, &[BEGAN, news]),
            ["  step 1: add column", "    try 2 of 30 failed: no lock on orders; held by pid 4711"]
        );
    }

    #[test]
    fn the_end_of_a_run_is_told_by_its_phase() {
        for (phase, sign) in [(Phase::RolledBack, "↩"), (Phase::Stuck, "✖"), (Phase::Copying, "…")] {
            assert!(told(0, &[News::RunEnded(&summary(phase))])[0].starts_with(sign));
        }
    }
}
