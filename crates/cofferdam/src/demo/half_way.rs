//! The runner is killed while it builds an index, and the same command is run again.

use std::time::{Duration, Instant};

use cofferdam_core::{Fault, Result};
use serde::Serialize;
use tokio_postgres::types::Type;

use super::child::Child;
use super::stage::Stage;
use super::story::Story;
use super::{database, shop};
use crate::args::duration;

/// How often the server is asked.
const LOOK: Duration = Duration::from_millis(3);

/// By then the server has noticed that nobody waits for its statement, or it never will.
const ORPHAN_LIMIT: Duration = Duration::from_secs(5);

/// Where the build was when its runner was killed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Killed {
    /// `create index concurrently orders_status_idx`.
    during: String,
    /// The server's name for what it was doing.
    phase: String,
    /// How much of that was done, where the server says so.
    percent: Option<u8>,
    /// The server's process, which outlived the runner.
    #[serde(skip)]
    backend: i32,
}

/// What the killed runner left behind, and how the next one went on.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Left {
    /// How long the server went on with the orphaned statement; none: it carried it to its end.
    orphan_ended_after_ms: Option<u64>,
    /// What there was of the index then: `invalid`, `valid`, `absent`, or `building` where it went on.
    index: &'static str,
    /// What the next runner said it found.
    found: Vec<String>,
}

/// Applies version 2 and kills the runner half-way.
///
/// A transaction with an old snapshot is open meanwhile, as that of a long report would be: CREATE INDEX
/// CONCURRENTLY cannot end before it does, so the runner is alive and at it whenever we look, on any machine.
pub(super) async fn kill(story: &Story<'_>, stage: &Stage) -> Result<Killed> {
    database::execute(&stage.client, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await?;
    let watch = database::connect(&stage.url, "cofferdam demo").await?;
    let mut runner = Child::start(stage, &["apply"])?;
    let Some(killed) = runner.told_while(story, half_way(&watch)).await else {
        let ended = runner.done(story).await;
        return Err(ended
            .err()
            .unwrap_or_else(|| Fault::Bug("the runner ended before it was killed".to_owned())));
    };
    let killed = killed?;
    runner.kill(story).await?;
    let percent = killed.percent.map(|percent| format!(", {percent} %")).unwrap_or_default();
    story.line(&format!(
        "killed the runner (SIGKILL) while it built {} ({}{percent})",
        shop::INDEX,
        killed.phase
    ));
    Ok(killed)
}

/// Runs the same command again. The old snapshot is kept until the orphaned statement is gone.
pub(super) async fn resume(story: &Story<'_>, stage: &Stage, killed: &Killed) -> Result<Left> {
    let watch = database::connect(&stage.url, "cofferdam demo").await?;
    let mut runner = Child::start(stage, &["apply"])?;
    let seen = runner.told_while(story, orphan(&watch, killed.backend)).await;
    database::execute(&stage.client, "COMMIT").await?;
    let said = runner.done(story).await?;
    let Some(seen) = seen else {
        return Err(Fault::Bug("the second runner did not wait for the orphaned statement".to_owned()));
    };
    let (ended, index) = seen?;
    let found =
        said.iter().filter(|line| line.contains(": found ")).map(|line| line.trim().to_owned()).collect();
    let left = Left { orphan_ended_after_ms: ended, index, found };
    story.line(&left.words());
    let now = index_state(&watch).await?;
    if now != "valid" {
        return Err(Fault::Bug(format!("index {} is {now} after the change was applied", shop::INDEX)));
    }
    Ok(left)
}

impl Left {
    fn words(&self) -> String {
        let orphan = match self.orphan_ended_after_ms {
            Some(ms) => format!("the server ended the orphaned statement after {}", duration::shown(ms)),
            None => "the server went on with the orphaned statement".to_owned(),
        };
        let found = self.found.first().and_then(|line| line.split_once(": found ")).map(|(_, what)| what);
        let anew = if self.index == "invalid" { ", so it was built anew" } else { "" };
        format!("{orphan}; the next runner waited for that and found {}{anew}", found.unwrap_or("nothing"))
    }
}

/// Waits until half of the table is read for the index, or all of it and the build waits for others.
async fn half_way(client: &tokio_postgres::Client) -> Result<Killed> {
    let sql = "SELECT pid, phase, CASE WHEN blocks_total > 0 THEN blocks_done * 100 / blocks_total
                                       WHEN tuples_total > 0 THEN tuples_done * 100 / tuples_total END
               FROM pg_catalog.pg_stat_progress_create_index
               WHERE relid = 'orders'::regclass AND phase <> 'initializing'";
    loop {
        if let Some(row) = database::query(client, sql, &[]).await?.first() {
            let phase: String = row.get(1);
            let percent = row.get::<_, Option<i64>>(2).and_then(|percent| u8::try_from(percent).ok());
            let reading =
                phase.starts_with("building index: scanning") || phase == "waiting for writers before build";
            if !reading || percent.is_some_and(|percent| percent >= 50) {
                let during = format!("create index concurrently {}", shop::INDEX);
                return Ok(Killed { during, phase, percent, backend: row.get(0) });
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the orphaned statement is gone, at most for [`ORPHAN_LIMIT`]. After how many milliseconds it was,
/// and what it left of the index.
async fn orphan(client: &tokio_postgres::Client, backend: i32) -> Result<(Option<u64>, &'static str)> {
    let began = Instant::now();
    let sql = "SELECT FROM pg_catalog.pg_stat_activity WHERE pid = $1";
    while !database::query(client, sql, &[(&backend, Type::INT4)]).await?.is_empty() {
        if began.elapsed() > ORPHAN_LIMIT {
            return Ok((None, "building"));
        }
        tokio::time::sleep(LOOK).await;
    }
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok((Some(ms), index_state(client).await?))
}

async fn index_state(client: &tokio_postgres::Client) -> Result<&'static str> {
    let sql = "SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass($1)";
    let rows = database::query(client, sql, &[(&shop::INDEX, Type::TEXT)]).await?;
    Ok(match rows.first().map(|row| row.get::<_, bool>(0)) {
        Some(true) => "valid",
        Some(false) => "invalid",
        None => "absent",
    })
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
