//! A change of one table: what would be done, and what was.

use cofferdam_core::plan::{Act, Undo};
use cofferdam_core::{Phase, Plan, approval};
use cofferdam_engines::Run;
use cofferdam_runner::{Alteration, RunSummary, Summary};
use serde::Serialize;

use super::plan::{DatabaseView, MigrationPlanView, steps_table};
use super::{guard, words};
use crate::args::duration;

/// The document of kind `AlterPlan`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlterView {
    pub(crate) database: DatabaseView,
    pub(crate) table: String,
    pub(crate) clauses: String,
    #[serde(flatten)]
    pub(crate) plan: MigrationPlanView,
    /// Values that it loses, and to which somebody agreed.
    pub(crate) losses: Vec<String>,
    /// The columns by which rows are found on both sides.
    pub(crate) key_columns: Vec<String>,
    /// The run that it would go on with.
    pub(crate) goes_on: Option<String>,
    /// What an approval is for.
    pub(crate) plan_digest: String,
}

impl AlterView {
    /// The view of a change that was looked at.
    pub(crate) fn new(database: DatabaseView, alteration: &Alteration) -> Self {
        Self {
            database,
            table: alteration.change.table.to_string(),
            clauses: alteration.change.clauses.clone(),
            plan: MigrationPlanView::new(&alteration.plan, None).because(alteration.why.clone()),
            losses: alteration.examined.losses.clone(),
            key_columns: alteration.examined.key.clone(),
            goes_on: alteration.goes_on.as_ref().map(|run| run.id.to_string()),
            plan_digest: approval::digest([&*alteration.plan]),
        }
    }

    /// The screen.
    pub(crate) fn text(&self) -> String {
        let steps = words::count(self.plan.steps.len(), "step");
        let mut out =
            format!("{}   alter {}   {}, {steps}\n", self.database.text(), self.table, self.plan.strategy,);
        if let Some(run) = &self.goes_on {
            out += &format!("goes on with run {run}\n");
        }
        out += &format!("\n{}", steps_table(std::slice::from_ref(&self.plan), false));
        out += &self.plan.reasons();
        for loss in &self.losses {
            out += &format!("Lost by this: {loss}\n");
        }
        out + &format!("Plan {}\n", self.plan_digest)
    }
}

/// The document of kind `AlterSummary`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlterSummaryView {
    pub(crate) database: String,
    /// Something was done.
    pub(crate) changed: bool,
    pub(crate) runs: Vec<RunSummary>,
    /// What a person should know of the checks before and after.
    pub(crate) notes: Vec<String>,
    /// What of both sides was compared, where that was not everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) compared: Option<String>,
}

impl AlterSummaryView {
    /// With what was compared.
    pub(crate) fn compared(self, alteration: &Alteration) -> Self {
        let steps = alteration.plan.steps();
        let change = steps.filter_map(|step| match &step.act {
            Act::Online { change, .. } if !change.proof.is_whole() => Some(change.proof.words()),
            _ => None,
        });
        Self { compared: change.last(), ..self }
    }

    /// What was done.
    pub(crate) fn new(database: &str, summary: Summary) -> Self {
        let changed = summary.runs.iter().any(|run| run.steps > 0);
        Self {
            database: database.to_owned(),
            changed,
            runs: summary.runs,
            notes: summary.notes,
            compared: None,
        }
    }

    /// The closing lines.
    pub(crate) fn text(&self) -> String {
        let Some(run) = self.runs.first() else {
            return format!("nothing to do in {}", self.database);
        };
        let id = run.run;
        let what = match run.key.starts_with("alter ") {
            true => run.key.clone(),
            false => format!("{} {}", run.key, run.description),
        };
        let took = match self.changed {
            true => format!(" in {}", duration::shown(run.ms)),
            false => " already".to_owned(),
        };
        let compared =
            self.compared.as_ref().map(|what| format!("\nCompared was {what}")).unwrap_or_default();
        let said = match run.phase {
            Phase::Watching => format!(
                "{what} in {}: swapped{took}\nThe old table is kept current until you say so: cofferdam finalize \
                 {id} drops it, cofferdam rollback {id} swaps back",
                self.database
            ),
            Phase::RolledBack => format!("{what} in {}: taken back{took}", self.database),
            Phase::Done => format!("{what} in {}: done{took}", self.database),
            phase => format!("{what} in {}: stopped in {phase:?}", self.database),
        };
        said + &compared + &guard::measured(run.guard.as_ref())
    }
}

/// The document of kind `RollbackPlan` for a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TakeBackView {
    pub(crate) database: String,
    pub(crate) run: String,
    pub(crate) key: String,
    pub(crate) description: String,
    pub(crate) phase: Phase,
    pub(crate) steps: Vec<String>,
}

impl TakeBackView {
    /// What taking the run back does.
    pub(crate) fn new(database: &str, run: &Run) -> Self {
        Self {
            database: database.to_owned(),
            run: run.id.to_string(),
            key: run.plan.key.clone(),
            description: run.plan.description.clone(),
            phase: run.phase,
            steps: undone(&run.plan, run.phase),
        }
    }

    /// The screen.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("Undo {} {}   run {}\n", self.key, self.description, self.run);
        for step in &self.steps {
            out += &format!("  {step}\n");
        }
        out
    }
}

/// What is undone of a plan from this phase, the last step first.
fn undone(plan: &Plan, phase: Phase) -> Vec<String> {
    let reached = |of: Phase| phase == Phase::RollingBack || of.way_to(phase).is_some();
    let steps = plan.steps().filter(|step| reached(step.phase)).collect::<Vec<_>>().into_iter().rev();
    steps
        .filter(|step| matches!(step.undo, Undo::Acts { .. }))
        .map(|step| words::undo(step).trim_start_matches("✔ ").to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_closing_lines_say_what_comes_next() {
        let text = |phase, steps| {
            let run = RunSummary {
                run: Uuid::nil(),
                key: "alter public.orders".into(),
                description: "ADD COLUMN x int".into(),
                phase,
                resumed: false,
                steps,
                ms: 1_200,
                guard: None,
            };
            AlterSummaryView::new("shop", Summary { runs: vec![run], ..Summary::default() }).text()
        };
        assert!(text(Phase::Watching, 8).starts_with("alter public.orders in shop: swapped in 1.2 s\n"));
        assert!(text(Phase::Watching, 0).contains("swapped already"));
        assert!(text(Phase::Watching, 8).contains("cofferdam rollback 00000000"));
        assert_eq!(text(Phase::Done, 9), "alter public.orders in shop: done in 1.2 s");
        assert_eq!(AlterSummaryView::new("shop", Summary::default()).text(), "nothing to do in shop");
    }
}
