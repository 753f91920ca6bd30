//! What would be taken back: screen and document.

use cofferdam_core::Plan;
use serde::Serialize;

use super::plan::MigrationPlanView;

/// The document of kind `RollbackPlan`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RollbackView {
    pub(crate) database: String,
    pub(crate) migrations: Vec<UndoView>,
    /// Everything that would be lost, of all migrations.
    pub(crate) losses: Vec<String>,
}

/// The way back of one migration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UndoView {
    #[serde(flatten)]
    plan: MigrationPlanView,
    losses: Vec<String>,
}

impl RollbackView {
    /// The view of plans, newest migration first.
    pub(crate) fn new(database: String, plans: &[Plan]) -> Self {
        let undo =
            |plan: &Plan| UndoView { plan: MigrationPlanView::new(plan, None), losses: plan.losses.clone() };
        Self {
            database,
            migrations: plans.iter().map(undo).collect(),
            losses: plans.iter().flat_map(|p| p.losses.iter().cloned()).collect(),
        }
    }

    /// The screen.
    pub(crate) fn text(&self) -> String {
        if self.migrations.is_empty() {
            return format!("nothing to take back in {}", self.database);
        }
        let mut out = String::new();
        for undo in &self.migrations {
            out += &format!("Undo {} {}\n", undo.plan.key, undo.plan.description);
            for step in &undo.plan.steps {
                out += &format!("  {}\n", step.title);
            }
            for loss in &undo.losses {
                out += &format!("  Lost by this: {loss}\n");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::plan::{Act, Intent, Probe, Step, Undo, Unit};
    use cofferdam_core::{Limits, Phase, Span};

    use super::*;

    #[test]
    fn the_screen() {
        let step = Step {
            id: "1".into(),
            phase: Phase::Contracting,
            title: "drop column orders.note".into(),
            act: Act::sql("ALTER TABLE orders DROP COLUMN note"),
            probe: Probe::Nothing,
            undo: Undo::Nothing,
            limits: Limits::default(),
            lock: String::new(),
            blocks: String::new(),
            estimate: String::new(),
            path: String::new(),
            at: Span::default(),
        };
        let plan = Plan {
            strategy: "direct".into(),
            key: "1.5.0".into(),
            description: "order note".into(),
            intent: Intent::Undo,
            units: vec![Unit { atomic: true, steps: vec![step] }],
            losses: vec!["the values of orders.note".into()],
        };
        let view = RollbackView::new("shop".into(), &[plan]);
        insta::assert_snapshot!(view.text());
        let document = serde_json::to_value(&view).unwrap();
        assert_eq!(document["migrations"][0]["losses"][0], "the values of orders.note");
        assert_eq!(document["migrations"][0]["steps"][0]["sql"], "ALTER TABLE orders DROP COLUMN note");
        assert_eq!(RollbackView::new("shop".into(), &[]).text(), "nothing to take back in shop");
    }
}
