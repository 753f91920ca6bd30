//! Runs: the documents of kind `Summary` and of the lists of runs, and their lines.

use cofferdam_core::Phase;
use cofferdam_core::plan::Intent;
use cofferdam_engines::Run;
use cofferdam_runner::{RunSummary, Summary};
use serde::Serialize;

use super::{guard, words};
use crate::args::duration;

/// A run as the database has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunView {
    pub(crate) run: String,
    pub(crate) key: String,
    pub(crate) description: String,
    pub(crate) intent: Intent,
    pub(crate) strategy: String,
    pub(crate) phase: Phase,
    pub(crate) digest: String,
    pub(crate) started_at: String,
    pub(crate) ended_at: Option<String>,
    pub(crate) by: String,
    /// It belongs to `alter` and to no migration.
    #[serde(skip)]
    pub(crate) alter: bool,
}

impl From<&Run> for RunView {
    fn from(run: &Run) -> Self {
        Self {
            run: run.id.to_string(),
            key: run.plan.key.clone(),
            description: run.plan.description.clone(),
            intent: run.plan.intent,
            strategy: run.plan.strategy.clone(),
            phase: run.phase,
            digest: run.digest.clone(),
            started_at: run.started_at.clone(),
            ended_at: run.ended_at.clone(),
            by: run.by.clone(),
            alter: cofferdam_runner::is_alter(run),
        }
    }
}

impl RunView {
    /// A person must state a fact.
    pub(crate) fn is_stuck(&self) -> bool {
        self.phase == Phase::Stuck
    }

    /// `apply` or `undo`.
    pub(crate) fn intent(&self) -> &'static str {
        match self.intent {
            Intent::Apply => "apply",
            Intent::Undo => "undo",
        }
    }

    /// The run in one line.
    pub(crate) fn line(&self) -> String {
        let of = if self.alter { String::new() } else { format!("{} of ", self.intent()) };
        format!(
            "{of}{} {} is {:?} since {} by {} (run {})",
            self.key,
            self.description,
            self.phase,
            words::minute(&self.started_at),
            self.by,
            self.run,
        )
    }
}

/// The document of kind `Summary`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SummaryView {
    pub(crate) database: String,
    pub(crate) version: Option<String>,
    /// Something was done.
    pub(crate) changed: bool,
    pub(crate) runs: Vec<RunSummary>,
    /// What a person should know of the checks before and after.
    pub(crate) notes: Vec<String>,
    #[serde(skip)]
    pub(crate) verb: &'static str,
}

impl SummaryView {
    /// What was done; `verb` is `applied` or `undone`.
    pub(crate) fn new(database: &str, verb: &'static str, summary: Summary) -> Self {
        Self {
            database: database.to_owned(),
            version: summary.version,
            changed: !summary.runs.is_empty(),
            runs: summary.runs,
            notes: summary.notes,
            verb,
        }
    }

    /// The closing line; the runs themselves were reported while they went.
    pub(crate) fn text(&self) -> String {
        let version = words::version(self.version.as_deref());
        if !self.changed {
            return format!("nothing to do: {} is at version {version}", self.database);
        }
        let ms = self.runs.iter().map(|run| run.ms).sum();
        let measured: String = self.runs.iter().map(|run| guard::measured(run.guard.as_ref())).collect();
        format!(
            "{} {} in {}: {} is at version {version}{measured}",
            self.verb,
            words::count(self.runs.len(), "migration"),
            duration::shown(ms),
            self.database,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(runs: usize) -> Summary {
        let run = RunSummary {
            run: uuid::Uuid::nil(),
            key: "1.5.0".into(),
            description: "order note".into(),
            phase: Phase::Done,
            resumed: false,
            steps: 2,
            ms: 700,
            guard: None,
        };
        Summary { runs: vec![run; runs], version: Some("1.5.0".into()), ..Summary::default() }
    }

    #[test]
    fn the_closing_line() {
        let text = |runs| SummaryView::new("shop", "applied", summary(runs)).text();
        assert_eq!(text(0), "nothing to do: shop is at version 1.5.0");
        assert_eq!(text(2), "applied 2 migrations in 1.4 s: shop is at version 1.5.0");
    }
}
