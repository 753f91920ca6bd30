//! Where one DatabaseMigration is, and what comes next.

use cofferdam_api::{DatabaseMigration, Phase};
use serde::Serialize;

use super::list::RowView;
use crate::output::words;
use crate::plugin::next::{self, Next};
use crate::plugin::words::Words;

/// The document of kind `MigrationStatus`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusView {
    #[serde(flatten)]
    pub(crate) row: RowView,
    /// What the condition Ready says.
    pub(crate) message: String,
    /// The operator has looked at the spec as it is.
    pub(crate) seen: bool,
    pub(crate) steps: Option<String>,
    pub(crate) current_step: Option<String>,
    pub(crate) throttled_by: Option<String>,
    pub(crate) blocked_by: Option<String>,
    pub(crate) plan_digest: Option<String>,
    pub(crate) run_id: Option<String>,
    pub(crate) job: Option<String>,
    /// What a person does next; empty: nothing.
    pub(crate) next: Vec<Next>,
}

impl StatusView {
    pub(crate) fn new(migration: &DatabaseMigration, words: &Words) -> Self {
        let status = migration.status.clone().unwrap_or_default();
        let progress = status.progress.unwrap_or_default();
        let steps =
            progress.completed_steps.zip(progress.total_steps).map(|(done, all)| format!("{done} of {all}"));
        Self {
            row: RowView::new(migration),
            message: next::message(migration).to_owned(),
            seen: status.observed_generation == migration.metadata.generation
                && status.observed_generation.is_some(),
            steps,
            current_step: progress.current_step,
            throttled_by: progress.throttled_by,
            blocked_by: progress.blocked_by,
            plan_digest: status.plan_digest.map(|digest| digest.as_str().to_owned()),
            run_id: status.run_id,
            job: status.job_name,
            next: next::next(migration, words),
        }
    }

    /// The screen.
    pub(crate) fn text(&self) -> String {
        let row = &self.row;
        let mut head = format!("{}  {}", row.name, row.phase.unwrap_or("not looked at yet"));
        // After the end the stage says nothing that the phase does not.
        let over = [Phase::Succeeded, Phase::RolledBack].map(Phase::word);
        let stage = row.stage.filter(|_| !row.phase.is_some_and(|phase| over.contains(&phase)));
        for more in [stage, row.progress.as_deref().filter(|_| stage.is_some())].into_iter().flatten() {
            head += &format!("  {more}");
        }
        if !self.seen && row.phase.is_some() {
            head += "  (of an older spec)";
        }
        let version = match (&row.current_version, &row.desired_version) {
            (None, None) => None,
            (current, None) => current.clone(),
            (current, Some(desired)) => Some(format!("{} → {desired}", words::version(current.as_deref()))),
        };
        let step = match (&self.steps, &self.current_step) {
            (Some(steps), Some(step)) => Some(format!("{steps}: {step}")),
            (Some(steps), None) => Some(steps.clone()),
            (None, step) => step.clone(),
        };
        let why = row.reason.as_ref().map(|reason| match self.message.is_empty() {
            true => reason.clone(),
            false => format!("{reason}: {}", self.message),
        });
        let mut out = head + "\n";
        for (label, value) in [
            ("database", &row.database),
            ("version", &version),
            ("reason", &why),
            ("step", &step),
            ("slower for", &self.throttled_by),
            ("waits for", &self.blocked_by),
            ("plan", &self.plan_digest),
            ("revertible until", &row.revertible_until),
            ("job", &self.job),
        ] {
            let Some(value) = value else { continue };
            out += &labelled(label, value);
        }
        out + &next::text(&self.next)
    }
}

/// Wide enough for a label.
const LABEL: usize = 18;
/// The widest line.
const WIDTH: usize = 100;

/// `  reason            JobFailed: ...`, broken between words.
pub(super) fn labelled(label: &str, value: &str) -> String {
    let value = words::wrapped(value, WIDTH - LABEL - 2);
    let mut lines = value.lines();
    let mut out = format!("  {label:LABEL$}{}\n", lines.next().unwrap_or_default());
    for line in lines {
        out += &format!("  {:LABEL$}{line}\n", "");
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plugin::trial::tests::{PLAN, migration};

    #[test]
    fn the_screen() {
        let ready = |reason: &str, message: &str| {
            json!([{
                "type": "Ready", "status": "False", "reason": reason, "message": message, "observedGeneration": 3,
                "lastTransitionTime": "2026-11-21T10:00:00Z",
            }])
        };
        let running = migration(|m| {
            m["status"] = json!({
                "observedGeneration": 3, "phase": "Running", "stage": "Copying", "database": "shop",
                "currentVersion": "1.4.0", "desiredVersion": "1.5.0", "planDigest": PLAN, "jobName": "users-apply-1",
                "progress": {
                    "summary": "62% 4m", "totalSteps": 5, "completedSteps": 2, "currentStep": "copy the rows",
                    "throttledBy": "standby replica-1 is 80 MB behind",
                },
                "conditions": ready("Throttled", "standby replica-1 is 80 MB behind"),
            });
        });
        let failed = migration(|m| {
            m["metadata"]["generation"] = json!(3);
            m["status"] = json!({
                "observedGeneration": 3, "phase": "Failed", "stage": "RolledBack", "database": "shop",
                "conditions": ready(
                    "JobFailed",
                    "CF2301: column \"nme\" of relation \"users\" does not exist; the transaction was rolled back, and \
                     nothing of it is left in the database",
                ),
            });
        });
        let window = migration(|m| {
            m["status"] = json!({
                "observedGeneration": 3, "phase": "Succeeded", "stage": "Watching", "database": "shop",
                "planDigest": PLAN, "revertibleUntil": "2026-11-22T10:00:00Z",
                "conditions": ready("RevertWindowOpen", ""),
            });
        });
        let all =
            [running, failed, window, migration(|_| {})].map(|m| StatusView::new(&m, &Words::plain()).text());
        insta::assert_snapshot!(all.join("\n"));
    }
}
