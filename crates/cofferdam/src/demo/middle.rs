//! Where an online change is, as the database tells it: in the middle of a part it can be killed.

use cofferdam_core::Result;
use cofferdam_core::online::Part;
use serde::Serialize;

use super::database::{Database, LOOK};

/// From so many hundredths on a part is in its middle.
const MIDDLE: u8 = 30;

/// A kill that was meant for the middle of a part.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kill {
    /// `copy` or `compare`.
    during: &'static str,
    /// How many hundredths of the table the killed runner had done; none: the part was over before the kill came.
    percent: Option<u8>,
}

impl Kill {
    /// Of a part, with what the database says after the kill.
    pub(super) fn new(part: Part, far: Far) -> Self {
        let percent = if let Far::Amid(percent) = far { Some(percent) } else { None };
        Self { during: part.word(), percent }
    }

    /// It met the part.
    pub(super) fn happened(&self) -> bool {
        self.percent.is_some()
    }

    /// In a sentence.
    pub(super) fn words(&self) -> String {
        let name = self.name();
        match self.percent {
            Some(percent) => format!("killed the runner (SIGKILL) in the middle of the {name} ({percent} %)"),
            None => format!("the {name} was done before it could be killed: that takes more rows"),
        }
    }

    /// For the summary.
    pub(super) fn short(&self) -> String {
        match self.percent {
            Some(percent) => format!("{} killed at {percent} %", self.name()),
            None => format!("{} done before it could be killed", self.name()),
        }
    }

    fn name(&self) -> &'static str {
        if self.during == Part::Compare.word() { "comparison" } else { self.during }
    }
}

/// How far a change is with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Far {
    /// It is at an earlier one.
    NotYet,
    /// So many hundredths of the table are done.
    Amid(u8),
    Over,
}

impl Far {
    /// By the last part that ended.
    fn of(part: Part, ended: Option<Part>, percent: u8) -> Self {
        let before = Part::WAY.iter().take_while(|p| **p != part).last().copied();
        match ended {
            Some(ended) if ended >= part => Self::Over,
            ended if ended.is_none() || ended != before => Self::NotYet,
            _ if percent >= 100 => Self::Over,
            _ => Self::Amid(percent),
        }
    }
}

/// Waits until the change is in the middle of a part, or that part is over. May be given up.
pub(super) async fn reached(url: &str, part: Part, rows: u32) -> Result<Far> {
    let database = Database::open(url).await?;
    loop {
        match look(&database, part, rows).await? {
            Far::Amid(percent) if percent >= MIDDLE => return Ok(Far::Amid(percent)),
            Far::Over => return Ok(Far::Over),
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

/// How far the change of the one table is that is being changed, which had so many rows at the beginning.
pub(super) async fn look(database: &Database, part: Part, rows: u32) -> Result<Far> {
    let Some((stage, percent)) = database.done(part, rows).await? else { return Ok(Far::NotYet) };
    let ended = Part::WAY.iter().copied().find(|part| stage.as_deref() == Some(part.word()));
    Ok(Far::of(part, ended, u8::try_from(percent).unwrap_or(100)))
}

/// In SQL, how many hundredths of the orders of the beginning lie in chunks with these bounds. Either may be NULL.
pub(super) fn share(low: &str, high: &str, rows: u32) -> String {
    let end = u64::from(rows) + 1;
    let length = format!("GREATEST(LEAST(COALESCE({high}, {end}), {end}) - COALESCE({low}, 1), 0)");
    format!("LEAST(COALESCE(FLOOR(SUM({length}) * 100 / {rows}), 0), 100)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_amid_after_the_one_before_it() {
        for (part, ended, percent, far) in [
            (Part::Copy, None, 0, Far::NotYet),
            (Part::Copy, Some(Part::Create), 0, Far::NotYet),
            (Part::Copy, Some(Part::Capture), 0, Far::Amid(0)),
            (Part::Copy, Some(Part::Capture), 41, Far::Amid(41)),
            (Part::Copy, Some(Part::Capture), 100, Far::Over),
            (Part::Copy, Some(Part::Copy), 100, Far::Over),
            (Part::Copy, Some(Part::Settle), 100, Far::Over),
            (Part::Compare, Some(Part::Copy), 0, Far::NotYet),
            (Part::Compare, Some(Part::Index), 33, Far::Amid(33)),
            (Part::Compare, Some(Part::Compare), 100, Far::Over),
            (Part::Compare, Some(Part::Swap), 0, Far::Over),
        ] {
            assert_eq!(Far::of(part, ended, percent), far, "{part:?} after {ended:?}");
        }
    }

    #[test]
    fn a_kill_that_came_too_late_is_none() {
        let kill = Kill::new(Part::Compare, Far::Amid(41));
        assert!(kill.happened());
        assert_eq!(kill.words(), "killed the runner (SIGKILL) in the middle of the comparison (41 %)");
        let kill = Kill::new(Part::Copy, Far::Over);
        assert!(!kill.happened());
        assert_eq!(kill.words(), "the copy was done before it could be killed: that takes more rows");
        assert_eq!(kill.short(), "copy done before it could be killed");
    }
}
