//! Waiting for the moment of the swap, with both tables kept the same.

use std::time::{Duration, Instant};

use cofferdam_core::fault::Result;

use super::{Work, apply, compare, worker};
use crate::online::gate_is_open;

/// A comparison is not older than this when the gate opens.
const FRESH: Duration = Duration::from_secs(15 * 60);

/// Returns when the tables may be swapped.
pub(super) async fn wait(work: &Work<'_>) -> Result<()> {
    let client = worker::connect_to_begin(work, "apply").await?;
    let mut compared = Instant::now();
    while !gate_is_open(&work.change.gate, work.valve().cutover, jiff::Timestamp::now()) {
        work.doing("waiting for the cutover", 0);
        work.check()?;
        apply::drain(work, &client, 500).await?;
        if compared.elapsed() > FRESH {
            compare::forget(work, &client).await?;
            compare::all(work).await?;
            compared = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    worker::crash_at("online.gate.opened")
}
