//! The runner is killed while it builds an index, and the same command is run again.

use cofferdam_core::Result;
use serde::Serialize;

use super::database::Database;
use super::stage::Stage;
use super::story::Story;
use super::{mysql, postgres, shop};
use crate::args::duration;

/// Where the build was when its runner was killed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Killed {
    /// `create index concurrently orders_status_idx`, in the words of the step.
    pub(super) during: String,
    /// The server's name for what it was doing.
    pub(super) phase: String,
    /// How much of that was done, where the server says so.
    pub(super) percent: Option<u8>,
}

/// What the killed runner left behind, and how the next one went on.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Left {
    /// How long the server went on with the orphaned statement; none: it was at it still when nobody looked any more.
    pub(super) orphan_ended_after_ms: Option<u64>,
    /// What there was of the index then: `invalid`, `valid`, `absent`, or `building` where it went on.
    pub(super) index: &'static str,
    /// What the next runner said it found.
    pub(super) found: Vec<String>,
}

/// Applies version 2 with the runner killed half-way, and applies it again. `None`: it was done before it could be
/// killed.
pub(super) async fn play(story: &Story<'_>, stage: &Stage) -> Result<Option<(Killed, Left)>> {
    match &stage.database {
        Database::Postgres(client) => postgres::half_way::play(story, stage, client).await.map(Some),
        Database::MySql(shop) => mysql::half_way::play(story, stage, shop).await,
    }
}

impl Killed {
    /// In a sentence.
    pub(super) fn words(&self) -> String {
        let percent = self.percent.map(|percent| format!(", {percent} %")).unwrap_or_default();
        format!("killed the runner (SIGKILL) while it built {} ({}{percent})", shop::INDEX, self.phase)
    }
}

impl Left {
    /// Of the end of the orphaned statement, what there was of the index then, and what the next runner said.
    pub(super) fn new((ended, index): (Option<u64>, &'static str), said: &[String]) -> Self {
        let found = said.iter().filter(|line| line.contains(": found "));
        Self {
            orphan_ended_after_ms: ended,
            index,
            found: found.map(|line| line.trim().to_owned()).collect(),
        }
    }

    /// In a sentence.
    pub(super) fn words(&self) -> String {
        let orphan = match self.orphan_ended_after_ms {
            Some(ms) if self.index == "valid" => {
                format!("the server carried the orphaned statement to its end, {} later", duration::shown(ms))
            }
            Some(ms) => format!("the server ended the orphaned statement after {}", duration::shown(ms)),
            None => "the server went on with the orphaned statement".to_owned(),
        };
        let found = self.found.first().and_then(|line| line.split_once(": found ")).map(|(_, what)| what);
        let anew = if self.index == "invalid" { ", so it was built anew" } else { "" };
        format!("{orphan}; the next runner waited for that and found {}{anew}", found.unwrap_or("nothing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_told_as_it_was_found() {
        let step = "step 2: create index concurrently orders_status_idx: found";
        for (ended, index, found, words) in [
            (
                Some(914),
                "invalid",
                Some("index orders_status_idx is there but INVALID"),
                "the server ended the orphaned statement after 914 ms; the next runner waited for that and found \
                 index orders_status_idx is there but INVALID, so it was built anew",
            ),
            (
                None,
                "building",
                Some("it is done"),
                "the server went on with the orphaned statement; the next runner waited for that and found \
                 it is done",
            ),
            (
                Some(120),
                "valid",
                Some("it is done"),
                "the server carried the orphaned statement to its end, 120 ms later; the next runner waited for \
                 that and found it is done",
            ),
            (
                Some(3),
                "absent",
                None,
                "the server ended the orphaned statement after 3 ms; the next runner waited for that and found \
                 nothing",
            ),
        ] {
            let found = found.map(|what| format!("{step} {what}")).into_iter().collect();
            assert_eq!(Left { orphan_ended_after_ms: ended, index, found }.words(), words);
        }
    }
}
