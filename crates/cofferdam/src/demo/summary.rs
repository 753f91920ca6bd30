//! The result: the document of kind `Demo`, and its text.

use serde::Serialize;

use super::half_way::{Killed, Left};
use super::migration::Migrated;
use super::online::OnlineView;
use super::scene::Scene;
use super::story::grouped;
use super::views::{CheckView, PhaseView, stall};
use crate::args::duration::shown;
use crate::output::table::Columns;
use crate::output::words::count;

/// The document of kind `Demo`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DemoView {
    /// No write failed or was lost, nothing was written by nobody, and the schema is as it was after either act.
    pub(super) clean: bool,
    pub(super) server: ServerView,
    pub(super) rows: u32,
    pub(super) writers: u32,
    pub(super) seed: u64,
    pub(super) phases: Vec<PhaseView>,
    /// Of all writes, also those between the phases.
    pub(super) total: PhaseView,
    /// None: the step was done before the runner could be killed at it.
    pub(super) killed: Option<Killed>,
    pub(super) left: Option<Left>,
    pub(super) checks: Vec<CheckView>,
    /// After the migration's way back every column, constraint and index is as before it.
    pub(super) schema_restored: bool,
    /// The second act.
    pub(super) online: OnlineView,
}

/// The server that it ran on.
#[derive(Debug, Serialize)]
pub(super) struct ServerView {
    /// `PostgreSQL`.
    pub(super) product: &'static str,
    pub(super) version: String,
    pub(super) origin: String,
}

impl DemoView {
    /// The result of one demonstration.
    pub(super) fn new(scene: Scene<'_>, total: PhaseView, migrated: Migrated, online: OnlineView) -> Self {
        let Scene { stage, args, phases, checks, .. } = scene;
        let restored = migrated.restored && online.is_clean();
        Self {
            clean: restored && checks.iter().all(CheckView::is_clean) && total.failures() == 0,
            server: ServerView {
                product: stage.product,
                version: stage.version.clone(),
                origin: stage.origin.clone(),
            },
            rows: args.rows,
            writers: args.writers,
            seed: args.seed,
            phases,
            total,
            killed: migrated.killed,
            left: migrated.left,
            checks,
            schema_restored: migrated.restored,
            online,
        }
    }

    /// The text.
    pub(super) fn text(&self) -> String {
        let mut table = Columns::new(&["PHASE", "TOOK", "WRITES", "PER SECOND", "FAILED", "LONGEST STALL"]);
        for column in 1..6 {
            table = table.right(column);
        }
        for phase in &self.phases {
            table.row([
                phase.name.to_owned(),
                shown(phase.ms),
                grouped(phase.writes),
                grouped(phase.writes * 1_000 / phase.ms.max(1)),
                grouped(phase.failures()),
                stall(phase.longest_stall_ms),
            ]);
        }
        format!("{}\n{}\n{}\n", table.text(), self.closing(), self.online.words())
    }

    fn closing(&self) -> String {
        format!(
            "{} writes by {}: {} failed, {} lost; longest stall {}; schema {}",
            grouped(self.total.writes),
            count(self.writers as usize, "writer"),
            grouped(self.total.failures()),
            grouped(self.checks.iter().map(|check| check.lost).max().unwrap_or(0)),
            stall(self.total.longest_stall_ms),
            if self.schema_restored { "changed and back as it was" } else { "NOT back as it was" },
        )
    }

    /// What is wrong, where anything is.
    pub(super) fn complaint(&self) -> Option<String> {
        let failure = self.total.first_failure.as_ref();
        let failure = failure.map(|why| format!("; the first failure: {why}")).unwrap_or_default();
        let foreign = match self.checks.iter().map(|check| check.foreign).max() {
            None | Some(0) => String::new(),
            Some(writes) => format!("; {} that nobody made", grouped(writes)),
        };
        let (closing, online) = (self.closing(), self.online.words());
        (!self.clean).then(|| format!("the demonstration failed: {closing}; {online}{foreign}{failure}"))
    }
}
