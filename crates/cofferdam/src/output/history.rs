//! What happened: the history, the runs, and the journal of a run.

use cofferdam_core::history::{Applied, AppliedKind};
use cofferdam_core::journal::{Entry, What};
use serde::Serialize;

use super::run::RunView;
use super::table::Columns;
use super::words;
use crate::args::duration;

/// The document of kind `History`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HistoryView {
    pub(crate) database: String,
    pub(crate) migrations: Vec<AppliedView>,
    /// The journal's last row, to be kept outside of the database.
    pub(crate) head: Option<HeadView>,
}

/// The last row of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeadView {
    pub(crate) seq: i64,
    pub(crate) hash: String,
}

impl HeadView {
    pub(crate) fn of(head: Option<(i64, String)>) -> Option<Self> {
        head.map(|(seq, hash)| Self { seq, hash })
    }

    /// A line for people.
    pub(crate) fn line(&self) -> String {
        format!("head of the journal: row {}, {}", self.seq, self.hash)
    }
}

/// One row of the history.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppliedView {
    pub(crate) rank: i64,
    pub(crate) key: String,
    pub(crate) version: Option<String>,
    pub(crate) description: String,
    #[serde(rename = "type")]
    pub(crate) kind: AppliedKind,
    pub(crate) checksum: Option<String>,
    pub(crate) applied_at: String,
    pub(crate) applied_by: String,
    pub(crate) took_ms: u64,
    pub(crate) run: Option<String>,
    pub(crate) undone_at: Option<String>,
}

impl From<&Applied> for AppliedView {
    fn from(row: &Applied) -> Self {
        Self {
            rank: row.rank,
            key: row.key.clone(),
            version: row.version.clone(),
            description: row.description.clone(),
            kind: row.kind,
            checksum: row.checksum.as_ref().map(ToString::to_string),
            applied_at: row.at.clone(),
            applied_by: row.by.clone(),
            took_ms: row.ms,
            run: row.run.map(|run| run.to_string()),
            undone_at: row.undone_at.clone(),
        }
    }
}

impl HistoryView {
    /// The screen.
    pub(crate) fn text(&self) -> String {
        if self.migrations.is_empty() {
            return format!("nothing was applied to {} yet", self.database);
        }
        let mut table =
            Columns::new(&["#", "VERSION", "DESCRIPTION", "APPLIED", "BY", "TOOK", "UNDONE"]).right(0);
        for row in &self.migrations {
            table.row([
                row.rank.to_string(),
                row.key.clone(),
                match row.kind {
                    AppliedKind::Baseline => format!("{} (baseline)", row.description),
                    AppliedKind::Versioned | AppliedKind::Repeatable => row.description.clone(),
                },
                words::minute(&row.applied_at),
                row.applied_by.clone(),
                duration::shown(row.took_ms),
                row.undone_at.as_deref().map_or_else(|| "–".to_owned(), words::minute),
            ]);
        }
        let head = self.head.as_ref().map(|head| format!("\n{}", head.line())).unwrap_or_default();
        format!("{}{head}", table.text().trim_end())
    }
}

/// The document of kind `Runs`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunsView {
    pub(crate) runs: Vec<RunView>,
}

impl RunsView {
    /// The screen.
    pub(crate) fn text(&self) -> String {
        if self.runs.is_empty() {
            return "there was no run yet".to_owned();
        }
        let mut table = Columns::new(&["RUN", "WHAT", "VERSION", "DESCRIPTION", "PHASE", "BEGAN", "BY"]);
        for run in &self.runs {
            table.row([
                run.run.clone(),
                run.intent().to_owned(),
                run.key.clone(),
                run.description.clone(),
                format!("{:?}", run.phase),
                words::minute(&run.started_at),
                run.by.clone(),
            ]);
        }
        table.text()
    }
}

/// The document of kind `Journal`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JournalView {
    pub(crate) run: RunView,
    pub(crate) entries: Vec<Entry>,
    /// The journal's last row, to be kept outside of the database.
    pub(crate) head: Option<HeadView>,
}

impl JournalView {
    /// The screen.
    pub(crate) fn text(&self) -> String {
        let mut table = Columns::new(&["SEQ", "AT", "EPOCH", "WHO", "WHAT"]).right(0);
        for entry in &self.entries {
            let at =
                entry.at.split_once('.').map_or(entry.at.as_str(), |(seconds, _)| seconds).replace('T', " ");
            table.row([
                entry.seq.to_string(),
                at.trim_end_matches('Z').to_owned(),
                entry.epoch.to_string(),
                entry.who.clone(),
                sentence(&entry.what),
            ]);
        }
        let head = self.head.as_ref().map(|head| format!("\n{}", head.line())).unwrap_or_default();
        format!("{}\n{}{head}", self.run.line(), table.text().trim_end())
    }
}

/// A row in words.
pub(crate) fn sentence(what: &What) -> String {
    match what {
        What::Moved { from, on, to } => format!("{from:?} → {to:?} ({on:?})"),
        What::Passed { from, on, to } => {
            let events: Vec<String> = on.iter().map(|event| format!("{event:?}")).collect();
            format!("{from:?} → {to:?} ({})", events.join(", "))
        }
        What::Began { step } => format!("step {step} began"),
        What::Ended { step, how, ms: Some(ms) } => {
            format!("step {step} ended: {how}, {}", duration::shown(*ms))
        }
        What::Ended { step, how, ms: None } => format!("step {step} ended: {how}"),
        What::Failed { step, why } => format!("step {step} failed: {why}"),
        What::Asked { step, question } => {
            format!("step {step} asks: {} (look at {})", question.what, question.look_at)
        }
        What::BackedUp { backup } => super::backup::told(backup),
        What::Noted { text } => text.clone(),
        What::Approved { approval } => {
            let word = match approval.decision {
                cofferdam_core::approval::Decision::Approve => "approved",
                cofferdam_core::approval::Decision::Reject => "rejected",
            };
            format!("{word} plan {}", approval.digest)
        }
        What::Awaited { awaited } => {
            format!("plan {} waits for an approval: {}", awaited.digest, awaited.why)
        }
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Phase;
    use cofferdam_core::plan::Intent;
    use cofferdam_core::run::Event;

    use super::*;

    #[test]
    fn a_journal_reads_as_sentences() {
        let whats = [
            What::Moved { from: Phase::Requested, on: Event::PlanAccepted, to: Phase::Planned },
            What::Began { step: "1".into() },
            What::Ended { step: "1".into(), how: "performed".into(), ms: Some(1_200) },
            What::Noted { text: "checksum of 1.5.0 accepted".into() },
            What::Passed {
                from: Phase::Expanding,
                on: vec![Event::Expanded, Event::Copied],
                to: Phase::Verifying,
            },
        ];
        let entries = whats.into_iter().zip(1..).map(|(what, seq)| {
            Entry::chained(
                seq,
                uuid::Uuid::nil(),
                1,
                "2026-11-20T10:02:11.5Z".into(),
                "ci@runner".into(),
                what,
                "",
            )
        });
        let view = JournalView {
            run: RunView {
                run: uuid::Uuid::nil().to_string(),
                key: "1.5.0".into(),
                description: "order note".into(),
                intent: Intent::Apply,
                strategy: "direct".into(),
                phase: Phase::Expanding,
                digest: String::new(),
                started_at: "2026-11-20T10:02:11Z".into(),
                ended_at: None,
                by: "ci@runner".into(),
                alter: false,
            },
            entries: entries.collect(),
            head: None,
        };
        insta::assert_snapshot!(view.text());
    }
}
