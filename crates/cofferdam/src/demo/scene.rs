//! What both acts play with: the stage, the writers, and what was found out so far.

use std::time::Duration;

use cofferdam_core::Result;

use super::ledger::{Outcome, Window};
use super::load::Load;
use super::stage::Stage;
use super::story::Story;
use super::views::{CheckView, PhaseView};
use super::{DemoArgs, checker};

/// How long the writers write before anything is changed, on the changed tables, and on either side of each way
/// back: long enough for thousands of writes, short enough to be watched.
pub(super) const UNDISTURBED: Duration = Duration::from_secs(3);

/// The stage with its writers. None is at work yet.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) story: &'a Story<'a>,
    pub(super) stage: &'a Stage,
    pub(super) args: &'a DemoArgs,
    pub(super) load: Load,
    /// The phases that ended, in order.
    pub(super) phases: Vec<PhaseView>,
    pub(super) checks: Vec<CheckView>,
}

impl<'a> Scene<'a> {
    /// The writers that are asked for, on this stage.
    pub(super) fn new(story: &'a Story<'a>, stage: &'a Stage, args: &'a DemoArgs) -> Self {
        let load = Load::new(args.writers, args.rows, args.seed, &stage.url);
        Self { story, stage, args, load, phases: Vec::new(), checks: Vec::new() }
    }

    /// Notes down a phase that ended, and says what became of its writes. The writers must be idle.
    pub(super) fn ended(&mut self, window: &Window) -> String {
        let phase = PhaseView::new(window, self.load.tally(window));
        let words = phase.words();
        self.phases.push(phase);
        words
    }

    /// Compares the table with everything that was acknowledged since the beginning, and says what came of it. The
    /// writers must be idle.
    pub(super) async fn checked(&mut self, after: &'static str) -> Result<String> {
        let found = self.stage.database.found(self.args.rows).await?;
        let entries = self.load.entries();
        let acknowledged = entries.clone().filter(|e| e.outcome == Outcome::Acknowledged).count() as u64;
        let check = CheckView::new(after, acknowledged, &checker::check(entries, &found));
        let words = check.words();
        self.checks.push(check);
        Ok(words)
    }
}

/// The window in which something is done.
pub(super) async fn lasting<T>(name: &'static str, work: impl Future<Output = T>) -> (Window, T) {
    let window = Window::open(name);
    let done = work.await;
    (window.close(), done)
}
