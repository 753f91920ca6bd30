//! Mistakes on purpose, so that the comparison can be shown to find them. Without the feature `failpoints` nothing of
//! this is done.

use cofferdam_core::fault::Result;

use super::super::link::Link;
use super::change::{Change, LEADER};
use super::state::run;

/// A mistake of this name is to be made.
pub(super) fn planted(name: &str) -> bool {
    #[cfg(test)]
    if super::tests::planted::here(name) {
        return true;
    }
    cofferdam_core::failpoint::planted(name)
}

/// Mistakes in the values that are brought over: those of a column of texts called `note`.
pub(super) fn in_values(columns: &mut [String]) {
    let note = format!("{LEADER}.`note`");
    for column in columns.iter_mut().filter(|column| **column == note) {
        if planted("truncated-value") {
            *column = format!("LEFT({note}, 2)");
        }
        if planted("null-to-empty") {
            *column = format!("COALESCE({note}, '')");
        }
    }
}

/// Time for others to write, where the mistake is to lose what they wrote to rows that are copied.
pub(super) async fn before_copy(link: &mut Link) -> Result<()> {
    if planted("missing-chunk-filter") {
        run(link, "DO SLEEP(0.3)", "a planted mistake").await?;
    }
    Ok(())
}

/// A mistake of the copy: keys are left out of the log that came when the rows had been read.
pub(super) async fn after_copy(change: &Change, link: &mut Link, no: i64) -> Result<()> {
    if planted("source-before-log") {
        run(link, "DO SLEEP(0.3)", "a planted mistake").await?;
        let covered = change.covered(link, no, i64::MAX.unsigned_abs()).await?;
        run(link, &covered, "a planted mistake").await?;
    }
    Ok(())
}

/// A mistake of applying: everything goes that is in the log by then.
pub(super) async fn after_apply(change: &Change, link: &mut Link) -> Result<()> {
    if planted("range-delete-of-log") {
        run(link, "DO SLEEP(0.3)", "a planted mistake").await?;
        run(link, &format!("DELETE FROM {}", change.places.log), "a planted mistake").await?;
    }
    Ok(())
}
