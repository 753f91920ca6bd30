//! What `import` found and did.

use cofferdam_core::history::{Applied, How};
use cofferdam_core::plan::Seen;
use cofferdam_engines::Kept;
use cofferdam_formats::tables::{Found, Tool};
use cofferdam_runner::{Evidence, Import};
use serde::Serialize;

use super::error::{self, ErrorView};
use super::words::count;

/// The document of kind `Import`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportView {
    database: String,
    tool: &'static str,
    table: String,
    /// The tool's table is there.
    found: bool,
    format: &'static str,
    /// `both`, or `tool`.
    kept: &'static str,
    /// Nothing was changed, because only a look was asked for.
    dry_run: bool,
    /// In force in both.
    agreed: usize,
    /// In force there and not here: taken over.
    missing_here: Vec<RowView>,
    /// In force here and not there.
    missing_there: Vec<DoubtView>,
    /// The tool says that it took these back.
    taken_back: Vec<RowView>,
    checksum_drift: Vec<DriftView>,
    unfinished: Vec<UnfinishedView>,
    /// Files that the tool would pass over in silence.
    late: Vec<String>,
    /// What of the files does not fit the history.
    problems: Vec<ErrorView>,
    pending: usize,
    /// What was written, a sentence each.
    changed: Vec<String>,
    /// Histories of other tools in the same database.
    others: Vec<OtherView>,
    #[serde(skip)]
    problems_text: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RowView {
    version: Option<String>,
    description: String,
    applied_at: String,
    applied_by: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DoubtView {
    #[serde(flatten)]
    row: RowView,
    #[serde(flatten)]
    evidence: EvidenceView,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DriftView {
    version: Option<String>,
    description: String,
    /// The checksum in Cofferdam's history.
    here: Option<String>,
    /// The checksum in the tool's.
    there: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UnfinishedView {
    key: String,
    description: String,
    /// `failed`, `dirty`, `partial`.
    state: &'static str,
    /// What the tool recorded of it.
    recorded: String,
    #[serde(flatten)]
    evidence: EvidenceView,
    /// What is to be done, in this order.
    fix: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EvidenceView {
    /// What follows from the statements.
    catalog: &'static str,
    statements: Vec<StatementView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatementView {
    statement: String,
    /// `there`, `not there`, what is there in part, or `cannot be told`.
    state: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OtherView {
    tool: &'static str,
    table: String,
    /// Cofferdam reads and writes it.
    known: bool,
}

/// How many rows of a list are shown before they are only counted.
const LISTED: usize = 12;

impl RowView {
    fn new(row: &Applied) -> Self {
        Self {
            version: row.version.clone(),
            description: row.description.clone(),
            applied_at: row.at.clone(),
            applied_by: row.by.clone(),
        }
    }

    fn line(&self) -> String {
        format!("  {} {}\n", self.version.as_deref().unwrap_or("R"), self.description)
    }
}

impl EvidenceView {
    fn new(evidence: &Evidence) -> Self {
        let state = |seen: &Seen| match seen {
            Seen::Done => "there".to_owned(),
            Seen::NotDone => "not there".to_owned(),
            Seen::Partly(what) => format!("in part: {what}"),
            Seen::Unclear(_) => "cannot be told".to_owned(),
        };
        let statements = evidence
            .statements
            .iter()
            .map(|(title, seen)| StatementView { statement: title.clone(), state: state(seen) });
        Self { catalog: evidence.verdict().words(), statements: statements.collect() }
    }

    fn lines(&self) -> String {
        let statements: String =
            self.statements.iter().map(|s| format!("      {}: {}\n", s.statement, s.state)).collect();
        format!("    the catalog: {}\n{statements}", self.catalog)
    }
}

impl ImportView {
    pub(crate) fn new(
        database: String,
        format: &'static str,
        import: &Import,
        tools: &[Found<'_>],
        dry_run: bool,
    ) -> Self {
        let (before, difference) = (&import.before, &import.before.difference);
        let others = tools.iter().filter(|found| {
            before.table.schema.as_deref() != Some(found.table.schema.as_str())
                || before.table.name != found.table.name
        });
        Self {
            database,
            tool: before.codec.id,
            table: before.table.to_string(),
            found: before.there,
            format,
            kept: if before.kept == Kept::Tool { "tool" } else { "both" },
            dry_run,
            agreed: difference.agreed,
            missing_here: difference.theirs.iter().map(RowView::new).collect(),
            missing_there: import
                .ours
                .iter()
                .map(|(row, evidence)| DoubtView {
                    row: RowView::new(row),
                    evidence: EvidenceView::new(evidence),
                })
                .collect(),
            taken_back: difference.taken_back.iter().map(|(row, _)| RowView::new(row)).collect(),
            checksum_drift: difference
                .drift
                .iter()
                .map(|(ours, theirs)| DriftView {
                    version: ours.version.clone(),
                    description: ours.description.clone(),
                    here: ours.checksum.as_ref().map(ToString::to_string),
                    there: theirs.checksum.as_ref().map(ToString::to_string),
                })
                .collect(),
            unfinished: import
                .unfinished
                .iter()
                .map(|(what, evidence, fix)| {
                    let (state, recorded) = match &what.how {
                        How::Failed => ("failed", "it failed".to_owned()),
                        How::Dirty => ("dirty", "it began and did not say that it ended".to_owned()),
                        How::Partial { applied, total, error, .. } => {
                            ("partial", format!("{applied} of {total} statements are done; then: {error}"))
                        }
                    };
                    UnfinishedView {
                        key: what.key.clone(),
                        description: what.description.clone(),
                        state,
                        recorded,
                        evidence: EvidenceView::new(evidence),
                        fix: fix.clone(),
                    }
                })
                .collect(),
            late: import.late.clone(),
            problems: import.problems.iter().map(error::view).collect(),
            pending: import.pending,
            changed: import.done.clone(),
            others: others
                .map(|found| OtherView {
                    tool: found.tool.name(),
                    table: format!("{}.{}", found.table.schema, found.table.name),
                    known: matches!(found.tool, Tool::Known(_)),
                })
                .collect(),
            problems_text: import.problems.iter().map(error::text).collect(),
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = match self.found {
            true => format!("{}: {} of {}, {} in both\n", self.database, self.table, self.tool, self.agreed),
            false => format!("{}: there is no {} of {} yet\n", self.database, self.table, self.tool),
        };
        let rows = |rows: &[RowView]| -> String {
            let more = match rows.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!("  and {more} more\n"),
            };
            rows.iter().take(LISTED).map(RowView::line).chain([more]).collect()
        };
        if !self.missing_here.is_empty() {
            let verb = if self.dry_run { "would be taken over" } else { "taken over" };
            text += &format!("applied by {}, {verb}:\n{}", self.tool, rows(&self.missing_here));
        }
        if !self.taken_back.is_empty() {
            text += &format!("taken back by {}:\n{}", self.tool, rows(&self.taken_back));
        }
        if !self.missing_there.is_empty() {
            text += &format!("applied here and missing in {}:\n", self.table);
            for doubt in &self.missing_there {
                text += &(doubt.row.line() + &doubt.evidence.lines());
            }
        }
        for drift in &self.checksum_drift {
            let or = |checksum: &Option<String>| checksum.clone().unwrap_or_else(|| "none".to_owned());
            text += &format!(
                "checksum of {} {}: {} here, {} in {}\n",
                drift.version.as_deref().unwrap_or("R"),
                drift.description,
                or(&drift.here),
                or(&drift.there),
                self.table
            );
        }
        for what in &self.unfinished {
            text += &format!("{} of {} {}: {}\n", what.state, what.key, what.description, what.recorded);
            text += &what.evidence.lines();
            for fix in &what.fix {
                text += &format!("    fix: {fix}\n");
            }
        }
        for late in &self.late {
            text += &format!("note: {late}\n");
        }
        for problem in &self.problems_text {
            text += &format!("\n{problem}\n");
        }
        for other in &self.others {
            let read = if other.known { "left alone" } else { "only its own tool reads it" };
            text += &format!("note: {} of {} is there, too: {read}\n", other.table, other.tool);
        }
        for done in &self.changed {
            text += &format!("done: {done}\n");
        }
        let differs = !self.missing_there.is_empty() || !self.checksum_drift.is_empty();
        if self.changed.is_empty() && !self.dry_run {
            text += if differs {
                "nothing was changed: say whose word counts, --believe own or --believe tool\n"
            } else {
                "nothing to take over\n"
            };
        }
        text + &format!("{} pending\n", count(self.pending, "migration"))
    }
}
