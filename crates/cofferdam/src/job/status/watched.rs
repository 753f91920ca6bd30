//! What the watch beside a run found and measured, and the steps by which progress is counted.

use cofferdam_api::Stage;
use cofferdam_api::value::Percent;
use cofferdam_core::Plan;
use cofferdam_core::plan::Act;
use cofferdam_runner::News;

use super::{Account, Run, Step, finishes, weight};

impl Account {
    /// As far as status has a field for it.
    pub(super) fn watched(&mut self, news: &News<'_>) {
        match news {
            News::Breached { breach, .. } if breach.automatic => {
                self.status.stage = Some(Stage::RollingBack);
            }
            News::RunEnded(summary) => {
                let Some(guard) = summary.guard.as_ref() else { return };
                let whole = |ratio: Option<f64>| ratio.map(|ratio| Percent::whole(ratio * 100.0));
                if let (None, None) = (guard.cpu, guard.memory) {
                    return;
                }
                let metrics = self.status.metrics.get_or_insert_with(Default::default);
                metrics.cpu_usage = whole(guard.cpu).or(metrics.cpu_usage.take());
                metrics.memory_usage = whole(guard.memory).or(metrics.memory_usage.take());
            }
            _ => {}
        }
    }

    pub(super) fn run(&self, plan: &Plan) -> Run {
        let steps = plan.steps().filter(|step| self.finalize || !finishes(&step.act)).map(|step| {
            let (part, change) = match &step.act {
                Act::Online { part, change } => (Some(*part), Some(change.clone())),
                _ => (None, None),
            };
            Step {
                id: step.id.clone(),
                title: step.title.clone(),
                phase: step.phase,
                part,
                change,
                weight: weight(part),
            }
        });
        Run { key: plan.key.clone(), intent: plan.intent, steps: steps.collect(), ended: false }
    }
}
