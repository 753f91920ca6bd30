//! The plan of a DatabaseMigration: what a person agrees to.

use serde::Serialize;

use super::status::labelled;
use crate::output::table::Columns;
use crate::plugin::lines::PlannedStep;
use crate::plugin::next::{self, Next};

/// The document of kind `MigrationPlan`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MigrationPlanView {
    pub(crate) namespace: String,
    pub(crate) migration: String,
    /// What a MigrationApproval agrees to.
    pub(crate) digest: String,
    pub(crate) source_digest: Option<String>,
    pub(crate) approval: String,
    /// What has become of it: the phase.
    pub(crate) phase: Option<&'static str>,
    /// Absent: the Pod that wrote them down is gone.
    pub(crate) steps: Option<Vec<PlannedStep>>,
    pub(crate) next: Vec<Next>,
}

impl MigrationPlanView {
    /// The screen.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("{}  {}\n", self.migration, self.phase.unwrap_or("not looked at yet"));
        out += &labelled("plan", &self.digest);
        if let Some(source) = &self.source_digest {
            out += &labelled("source", source);
        }
        out += &labelled("approval", &self.approval);
        match &self.steps {
            Some(steps) => {
                let mut table = Columns::new(&["MIGRATION", "STEP", "WHAT"]).indented("  ");
                steps.iter().for_each(|one| table.row([&one.migration, &one.step, &one.title]));
                out += &format!("\n{}", table.text());
            }
            None => {
                out += "\n  the steps are not known any more: the Pod that wrote them into its log is gone\n"
            }
        }
        match self.next.is_empty() {
            true => out,
            false => format!("{out}\n{}", next::text(&self.next)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen() {
        let step = |migration: &str, step: &str, title: &str| PlannedStep {
            migration: migration.into(),
            step: step.into(),
            title: title.into(),
        };
        let mut view = MigrationPlanView {
            namespace: "shop".into(),
            migration: "users".into(),
            digest: format!("sha256:{}", "9f2c".repeat(16)),
            source_digest: Some(format!("sha256:{}", "0a1b".repeat(16))),
            approval: "asked for, and nobody has agreed to this plan".into(),
            phase: Some("Pending"),
            steps: Some(vec![
                step("users/schema-changes", "1", "add column users.note text"),
                step("users/data", "10", "update users"),
            ]),
            next: vec![Next {
                command: "kubectl cofferdam approve users".into(),
                what: "agree to it".into(),
            }],
        };
        let first = view.text();
        (view.steps, view.next) = (None, vec![]);
        insta::assert_snapshot!(format!("{first}\n{}", view.text()));
    }
}
