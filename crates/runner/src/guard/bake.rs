//! After the swap: the application is watched for a while before the old table may go.

use std::time::Duration;

use cofferdam_core::Phase;
use cofferdam_core::fault::Result;
use cofferdam_core::plan::Unit;

use super::heed::recalled;
use crate::News;
use crate::drive::Driver;

/// Between two looks at whether it is over.
const LOOK: Duration = Duration::from_millis(50);

impl Driver<'_> {
    /// The tables are swapped, and the application is to be watched before the next unit.
    pub(crate) fn is_to_bake(&self, next: &Unit) -> bool {
        let contracts = next.steps.first().is_some_and(|step| step.phase == Phase::Contracting);
        contracts && self.run.phase == Phase::Watching && !self.guarding.bake.is_zero() && !self.baked
    }

    /// Watches until the time is over, and every check was run at least once.
    ///
    /// # Errors
    /// The watch found something, or somebody wants the run to stop.
    pub(crate) async fn bake(&mut self) -> Result<()> {
        self.reporter.tell(&News::Baking { time: self.guarding.bake });
        if let Some(watch) = &self.watch {
            watch.swapped();
        }
        let until = tokio::time::Instant::now() + self.guarding.bake;
        loop {
            if self.recall.asked() {
                return Err(recalled());
            }
            self.stop.check()?;
            let checked = self.watch.as_ref().is_none_or(super::Watch::has_checked);
            if checked && tokio::time::Instant::now() >= until {
                self.baked = true;
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
