//! Counts what a run measures of itself, and tells a Pushgateway how it ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_adapters::metrics::Told;
use cofferdam_core::figures::Figures;
use cofferdam_core::online::Part;
use cofferdam_core::plan::Act;
use cofferdam_core::{Code, Fault};
use cofferdam_engines::{OnlineState, Tick};
use cofferdam_runner::{News, Reporter, SharedReporter};

use crate::spans::Spans;

/// What is counted so far.
#[derive(Default)]
pub(crate) struct Counter(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    figures: Figures,
    /// Rows by step: an online change counts its own from the beginning, also where another runner began it.
    copied: BTreeMap<String, u64>,
    /// The steps that copy.
    copies: Vec<String>,
    /// The one that is at work.
    at: Option<String>,
}

impl Counter {
    /// Takes the news of a run.
    pub(crate) fn tell(&self, news: &News<'_>) {
        self.with(|counted| match news {
            News::RunBegan { plan, run, .. } => {
                let copy = |act: &Act| matches!(act, Act::Online { part: Part::Copy, .. });
                let steps = plan.steps().filter(|step| copy(&step.act));
                counted.copies = steps.map(|step| step.id.clone()).collect();
                counted.at = None;
                // Steps of two runs may have the same names.
                let done: u64 = counted.copied.values().sum();
                counted.copied = BTreeMap::from([(format!("before {run}"), done)]);
            }
            News::StepBegan { step, .. } => {
                counted.at = counted.copies.iter().find(|copy| copy == step).cloned();
            }
            News::StepEnded { .. } => counted.at = None,
            News::Tick(Tick::Progress { done, .. }) => {
                if let Some(step) = &counted.at {
                    counted.copied.insert(step.clone(), *done);
                }
            }
            News::Tick(Tick::Locked(ms)) => counted.figures.locked(*ms),
            _ => {}
        });
    }

    /// An online change was looked at, so many milliseconds after the last look.
    pub(crate) fn looked(&self, state: &OnlineState, since_ms: u64) {
        let progress = &state.progress;
        self.with(|counted| {
            counted.figures.looked(progress.lag, progress.throttled_by.is_some(), since_ms);
        });
    }

    /// All of it.
    pub(crate) fn figures(&self) -> Figures {
        self.with(|counted| Figures { rows: counted.copied.values().sum(), ..counted.figures })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Counted) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A reporter that counts and passes everything on.
pub(crate) struct Counting {
    counter: Counter,
    /// Their steps are told here, too.
    pub(crate) spans: Spans,
    next: SharedReporter,
}

impl Counting {
    pub(crate) fn new(next: SharedReporter, spans: Spans) -> Arc<Self> {
        Arc::new(Self { counter: Counter::default(), spans, next })
    }

    /// How a command ended.
    pub(crate) fn told<T>(&self, outcome: &Result<T, Fault>, seconds: f64) -> Told {
        let (result, reason) = match outcome {
            Ok(_) => ("Succeeded", "MigrationComplete".to_owned()),
            Err(fault) => {
                let code = crate::output::error::refusal(fault).code;
                (
                    if code.exit() == Code::RolledBack.exit() { "RolledBack" } else { "Failed" },
                    code.id().to_owned(),
                )
            }
        };
        Told {
            result: result.to_owned(),
            reason,
            seconds: Some(seconds),
            ended: jiff::Timestamp::now().as_second(),
            figures: self.counter.figures(),
        }
    }
}

impl Reporter for Counting {
    fn tell(&self, news: &News<'_>) {
        self.counter.tell(news);
        self.spans.tell(news);
        self.next.tell(news);
    }
}
