//! Collects what is told while a rehearsal runs.

use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_core::bundle::Script;
use cofferdam_core::history::Applied;
use cofferdam_core::plan::{Act, Intent, Plan, Probe, Step, Undo, Unit};
use cofferdam_core::{Facts, Limits, Phase};
use cofferdam_dialects::Parsed;
use cofferdam_engines::{Deed, Tick};

use super::{Direction, StepSeen, Way, judge};
use crate::{News, Reporter};

/// Takes the news of the runs of one way.
#[derive(Default)]
pub(super) struct Watching(Mutex<Told>);

#[derive(Default)]
struct Told {
    plan: Option<Arc<Plan>>,
    steps: Vec<(Arc<Plan>, String, u64)>,
    deeds: Vec<(String, String, Deed)>,
}

impl Reporter for Watching {
    fn tell(&self, news: &News<'_>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match news {
            News::RunBegan { plan, .. } => told.plan = Some(Arc::new((*plan).clone())),
            News::StepEnded { step, ms, .. } => {
                if let Some(plan) = told.plan.clone() {
                    told.steps.push((plan, (*step).to_owned(), *ms));
                }
            }
            News::Tick(Tick::Deed(step, deed)) => {
                if let Some(plan) = told.plan.clone() {
                    told.deeds.push((plan.key.clone(), step.clone(), (**deed).clone()));
                }
            }
            _ => {}
        }
    }
}

impl Watching {
    /// What was told since the last time, as one way.
    pub(super) fn take(&self, way: Direction, facts: &Facts) -> Way {
        let told = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut deeds = told.deeds;
        let mut steps = Vec::new();
        for (plan, id, ms) in told.steps {
            // Of a step that was tried several times the last counts.
            let at = deeds.iter().rposition(|(key, step, _)| *key == plan.key && *step == id);
            let deed = at.map(|at| deeds.remove(at).2);
            match plan.step(&id) {
                Some(planned) => steps.push(self::step(&plan.key, planned, deed, ms, way, facts)),
                // The undo of a step that failed: its own step failed before.
                None => continue,
            }
        }
        Way { way, steps }
    }
}

/// One step with what was seen of it, judged.
pub(super) fn step(
    key: &str,
    planned: &Step,
    deed: Option<Deed>,
    ms: u64,
    way: Direction,
    facts: &Facts,
) -> StepSeen {
    let whole = !matches!(planned.act, Act::Online { .. } | Act::Park { .. });
    let deed = deed.filter(|_| whole);
    // What a derived way back is said to take is what the way there takes: only the way there is held to its words.
    let (more, less) = match &deed {
        Some(deed) if way != Direction::Back => judge::judge(planned, deed, facts),
        _ => Default::default(),
    };
    StepSeen {
        migration: key.to_owned(),
        step: planned.id.clone(),
        title: planned.title.clone(),
        lock: planned.lock.clone(),
        estimate: planned.estimate.clone(),
        ms,
        deed,
        more,
        less,
    }
}

/// The statements of a way back as they are written, each a step.
pub(super) fn as_written(applied: &Applied, down: &Script, parsed: &Parsed, limits: Limits) -> Plan {
    let step = |(number, change): (usize, &cofferdam_core::Change)| Step {
        id: (number + 1).to_string(),
        phase: Phase::Expanding,
        title: change.text.split_whitespace().take(6).collect::<Vec<_>>().join(" "),
        act: Act::Sql { sql: change.text.clone(), copy_rows: change.copy_rows.clone() },
        probe: Probe::Nothing,
        undo: Undo::Nothing,
        limits,
        lock: String::new(),
        blocks: String::new(),
        estimate: String::new(),
        path: down.path.clone(),
        at: change.at,
    };
    Plan {
        strategy: "direct".into(),
        key: applied.key.clone(),
        description: applied.description.clone(),
        intent: Intent::Undo,
        units: vec![Unit { atomic: true, steps: parsed.changes.iter().enumerate().map(step).collect() }],
        losses: Vec::new(),
    }
}
