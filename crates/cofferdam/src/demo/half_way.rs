//! The runner is killed while it builds an index, and the same command is run again.

use std::time::{Duration, Instant};

use cofferdam_core::{Fault, Result};
use serde::Serialize;

use super::child::Child;
use super::database::{Database, LOOK};
use super::shop;
use super::stage::Stage;
use super::story::Story;
use crate::args::duration;

/// How long the next runner waits for the orphaned statement, which may keep the run lock.
const PATIENCE: [&str; 2] = ["--lock-wait", "10m"];

/// Where the statement is held up: by then the server has noticed that nobody waits for it, or it never will.
const ORPHAN_LIMIT: Duration = Duration::from_secs(5);

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
    let held = stage.database.held_up(&stage.url).await?;
    let mut runner = Child::start(stage, &["apply"])?;
    let Some(met) = runner.told_while(story, met(&stage.url)).await else {
        runner.done(story).await?;
        story.line("the index was built before the runner could be killed: that takes more rows");
        story.part(4, "it goes on");
        return Ok(None);
    };
    let (killed, session) = met?;
    runner.kill(story).await?;
    story.line(&killed.words());
    story.part(4, "the same command again");
    let mut runner = Child::start(stage, &[&["apply"][..], &PATIENCE].concat())?;
    let limit = held.is_some().then_some(ORPHAN_LIMIT);
    let seen = match runner.told_while(story, orphan(&stage.url, session, limit)).await {
        Some(seen) => seen,
        // It ended between two looks.
        None => orphan(&stage.url, session, limit).await,
    };
    drop(held);
    let said = runner.done(story).await?;
    let left = Left::new(seen?, &said);
    story.line(&left.words());
    match stage.database.index().await? {
        "valid" => Ok(Some((killed, left))),
        now => Err(Fault::Bug(format!("index {} is {now} after the change was applied", shop::INDEX))),
    }
}

/// Waits until the server is in the middle of the index. With the number of the session that asked for it.
async fn met(url: &str) -> Result<(Killed, i64)> {
    let database = Database::open(url).await?;
    loop {
        if let Some(met) = database.building().await? {
            return Ok(met);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the orphaned statement is gone, at most for so long. After how many milliseconds it was, and what it left of
/// the index.
async fn orphan(url: &str, session: i64, limit: Option<Duration>) -> Result<(Option<u64>, &'static str)> {
    let database = Database::open(url).await?;
    let began = Instant::now();
    while database.at_work(session).await? {
        if limit.is_some_and(|limit| began.elapsed() > limit) {
            return Ok((None, "building"));
        }
        tokio::time::sleep(LOOK).await;
    }
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok((Some(ms), database.index().await?))
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
