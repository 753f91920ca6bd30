//! Online changes: how far they are, and what a person can do about them.

use cofferdam_core::Phase;
use cofferdam_core::online::Part;
use cofferdam_runner::OpenChange;
use serde::Serialize;

use super::words;
use crate::args::duration;

/// One online change that is not finished.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OnlineView {
    pub(crate) run: String,
    /// What names it in the database.
    pub(crate) id: String,
    pub(crate) table: String,
    pub(crate) clauses: String,
    /// The migration that it belongs to; absent for `alter`.
    pub(crate) migration: Option<String>,
    pub(crate) phase: Phase,
    /// The last part that ended.
    pub(crate) stage: Option<Part>,
    /// Somebody is at work on the database, and this run is not one that waits for a person.
    pub(crate) at_work: bool,
    pub(crate) doing: String,
    pub(crate) rows: u64,
    pub(crate) total_rows: u64,
    pub(crate) percent: Option<u64>,
    pub(crate) bytes: u64,
    pub(crate) rows_per_second: u64,
    pub(crate) eta_seconds: Option<u64>,
    /// Changed keys that are not brought over yet.
    pub(crate) lag: u64,
    pub(crate) workers: u32,
    pub(crate) workers_limit: Option<u32>,
    /// Others are not given way to.
    pub(crate) full_speed: bool,
    pub(crate) throttled_by: Option<String>,
    pub(crate) blocked_by: Option<String>,
    pub(crate) paused: bool,
    pub(crate) abort_asked: bool,
    pub(crate) cutover_asked: bool,
    /// Rows that the old table cannot take.
    pub(crate) quarantined: u64,
    pub(crate) poisoned: Option<String>,
    pub(crate) began_at: String,
    pub(crate) by: String,
    pub(crate) swapped_at: Option<String>,
    /// The swap can be taken back.
    pub(crate) revertible: bool,
    /// What a person may do next.
    pub(crate) next: String,
}

impl OnlineView {
    /// The view of a change; `held`: somebody holds the run lock.
    pub(crate) fn new(open: &OpenChange, held: bool) -> Option<Self> {
        let change = open.change()?;
        let run = &open.run;
        let state = open.state.as_ref();
        let progress = state.map(|s| s.progress.clone()).unwrap_or_default();
        let at_work = held && !matches!(run.phase, Phase::Watching | Phase::Stuck);
        let percent = (progress.total > 0).then(|| (100 * progress.rows / progress.total).min(100));
        Some(Self {
            run: run.id.to_string(),
            id: change.id(),
            table: change.table.to_string(),
            clauses: change.clauses.clone(),
            migration: (!cofferdam_runner::is_alter(run)).then(|| run.plan.key.clone()),
            phase: run.phase,
            stage: state.and_then(|s| s.stage),
            at_work,
            percent,
            rows: progress.rows,
            total_rows: progress.total,
            bytes: progress.bytes,
            rows_per_second: progress.rows_per_second,
            eta_seconds: state.and_then(cofferdam_engines::OnlineState::seconds_left),
            lag: progress.lag,
            workers: progress.workers,
            workers_limit: state.and_then(|s| s.workers_limit),
            full_speed: state.is_some_and(|s| s.full_speed),
            throttled_by: progress.throttled_by,
            blocked_by: progress.blocked_by,
            paused: state.is_some_and(|s| s.paused),
            abort_asked: state.is_some_and(|s| s.abort),
            cutover_asked: state.is_some_and(|s| s.cutover),
            quarantined: progress.quarantined,
            poisoned: state.and_then(|s| s.poisoned.clone()),
            began_at: run.started_at.clone(),
            by: run.by.clone(),
            swapped_at: state.and_then(|s| s.swapped_at.clone()),
            revertible: run.phase == Phase::Watching,
            next: next(open, at_work),
            doing: progress.doing,
        })
    }

    /// Several lines, the first of them unindented.
    pub(crate) fn text(&self) -> String {
        let belongs = self.migration.as_ref().map(|key| format!(" (migration {key})")).unwrap_or_default();
        let mut out = format!(
            "online: {}{belongs} {}   {:?}   run {}\n",
            self.table,
            words::cut(&self.clauses.split_whitespace().collect::<Vec<_>>().join(" "), 60),
            self.phase,
            self.run,
        );
        for line in self.lines() {
            out += &format!("  {line}\n");
        }
        out
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.phase != Phase::Watching && !self.doing.is_empty() {
            lines.push(self.progress());
        }
        if self.paused {
            lines.push("paused: cofferdam resume goes on".to_owned());
        }
        if self.abort_asked {
            lines.push("somebody asked to give it up".to_owned());
        }
        let reasons = [("throttled by", &self.throttled_by), ("blocked by", &self.blocked_by)];
        lines.extend(reasons.iter().filter_map(|(what, by)| Some(format!("{what}: {}", (*by).as_ref()?))));
        if let Some(why) = &self.poisoned {
            lines.push(format!("will not be swapped: {why}"));
        }
        if self.quarantined > 0 {
            lines.push(format!(
                "{} cannot be brought back into the old table",
                words::count(usize::try_from(self.quarantined).unwrap_or(usize::MAX), "row")
            ));
        }
        if let Some(at) = &self.swapped_at {
            lines.push(format!("swapped at {}", words::minute(at)));
        }
        lines.push(format!("next: {}", self.next));
        lines
    }

    /// `copying rows: 62 % (2480000 of 4000000), 410000 rows/s, about 4 s left, 120 changed keys to bring over`.
    fn progress(&self) -> String {
        let mut parts = Vec::new();
        if let Some(percent) = self.percent {
            parts.push(format!("{percent} % ({} of {})", self.rows, self.total_rows));
        }
        if self.rows_per_second > 0 {
            parts.push(format!("{} rows/s", self.rows_per_second));
        }
        if let Some(seconds) = self.eta_seconds {
            parts.push(format!("about {} left", duration::shown(seconds.saturating_mul(1_000))));
        }
        if self.lag > 0 {
            parts.push(format!("{} changed keys to bring over", self.lag));
        }
        if self.workers > 0 {
            let limit = self.workers_limit.map(|limit| format!(" (limit {limit})")).unwrap_or_default();
            parts.push(format!("{}{limit}", words::count(self.workers as usize, "worker")));
        }
        match parts.is_empty() {
            true => self.doing.clone(),
            false => format!("{}: {}", self.doing, parts.join(", ")),
        }
    }
}

/// What a person may do next.
fn next(open: &OpenChange, at_work: bool) -> String {
    let run = open.run.id;
    let same_command = match cofferdam_runner::is_alter(&open.run) {
        true => "the same cofferdam alter goes on",
        false => "cofferdam apply goes on",
    };
    match open.run.phase {
        Phase::Watching => {
            format!("cofferdam finalize {run} drops the old table, cofferdam rollback {run} swaps back")
        }
        Phase::Stuck => format!("cofferdam history {run}, then cofferdam repair {run} --says FACT"),
        Phase::Contracting if !at_work => format!("cofferdam finalize {run} goes on"),
        Phase::RollingBack if !at_work => format!("cofferdam rollback {run} goes on"),
        _ if !at_work => {
            format!("nobody is at work on it: {same_command}, cofferdam abort {run} gives it up")
        }
        Phase::Ready => format!("cofferdam cutover {run}, or wait for the gate"),
        _ => format!("wait, or cofferdam pause, throttle, abort {run}"),
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::online::{Capture, Examined, Gate};
    use cofferdam_core::{Limits, Name, Online, Span};
    use cofferdam_engines::{OnlineState, Progress, Record, Run};
    use cofferdam_strategies::About;
    use uuid::Uuid;

    use super::*;

    fn open(phase: Phase, stage: Option<Part>, progress: Progress) -> OpenChange {
        let change = Online {
            table: Name::qualified("public", "orders"),
            clauses: "ALTER COLUMN id TYPE bigint".into(),
            capture: Capture::Auto,
            gate: Gate::Auto,
            forward: vec![],
            backward: vec![],
            allow_loss: None,
            workers: 0,
            proof: Default::default(),
        };
        let about = About {
            key: "alter public.orders".into(),
            description: change.clauses.clone(),
            path: String::new(),
            at: Span::default(),
            limits: Limits::default(),
            server: None,
        };
        let run = Run {
            id: Uuid::nil(),
            plan: cofferdam_strategies::online_plan(&change, &Examined::default(), about).unwrap().into(),
            digest: String::new(),
            phase,
            epoch: 1,
            record: Record::Nothing,
            started_at: "2026-11-20T10:02:11Z".into(),
            ended_at: None,
            by: "alice@host".into(),
        };
        let state = OnlineState {
            id: change.id(),
            run: Some(run.id),
            change,
            stage,
            progress,
            paused: false,
            cutover: false,
            abort: false,
            workers_limit: None,
            full_speed: false,
            poisoned: None,
            began_at: String::new(),
            updated_at: String::new(),
            silent_seconds: 0,
            swapped_at: (phase == Phase::Watching).then(|| "2026-11-20T10:40:00Z".into()),
        };
        OpenChange { run, state: Some(state) }
    }

    #[test]
    fn the_screen() {
        let copying = Progress {
            doing: "copying rows".into(),
            rows: 2_480_000,
            total: 4_000_000,
            rows_per_second: 410_000,
            lag: 120,
            workers: 2,
            throttled_by: Some("standby replica1 is 12 s behind".into()),
            blocked_by: Some("pid 4711 (shop, api), idle in transaction for 90 s".into()),
            ..Progress::default()
        };
        let screens: Vec<String> = [
            (open(Phase::Copying, Some(Part::Capture), copying.clone()), true),
            (open(Phase::Copying, Some(Part::Capture), copying), false),
            (open(Phase::Ready, Some(Part::Compare), Progress::default()), true),
            (
                open(Phase::Watching, Some(Part::Settle), Progress { quarantined: 1, ..Progress::default() }),
                true,
            ),
        ]
        .iter()
        .map(|(open, held)| OnlineView::new(open, *held).unwrap().text())
        .collect();
        insta::assert_snapshot!(screens.join("\n"));
    }
}
