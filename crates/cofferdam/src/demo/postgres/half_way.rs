//! How the runner is met half-way on PostgreSQL, and what becomes of its statement.

use std::time::{Duration, Instant};

use cofferdam_core::{Fault, Result};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::demo::child::Child;
use crate::demo::half_way::{Killed, Left};
use crate::demo::shop;
use crate::demo::stage::Stage;
use crate::demo::story::Story;

/// How often the server is asked.
const LOOK: Duration = Duration::from_millis(3);

/// By then the server has noticed that nobody waits for its statement, or it never will.
const ORPHAN_LIMIT: Duration = Duration::from_secs(5);

/// Applies version 2 with the runner killed half-way, and again.
///
/// A transaction with an old snapshot is open meanwhile, as that of a long report would be: CREATE INDEX
/// CONCURRENTLY cannot end before it does, so the runner is alive and at it whenever we look, on any machine.
pub(in crate::demo) async fn play(
    story: &Story<'_>,
    stage: &Stage,
    client: &Client,
) -> Result<(Killed, Left)> {
    super::execute(client, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await?;
    let watch = super::connect(&stage.url, "cofferdam demo").await?;
    let mut runner = Child::start(stage, &["apply"])?;
    let Some(killed) = runner.told_while(story, half_way(&watch)).await else {
        let ended = runner.done(story).await;
        return Err(ended
            .err()
            .unwrap_or_else(|| Fault::Bug("the runner ended before it was killed".to_owned())));
    };
    let (killed, backend) = killed?;
    runner.kill(story).await?;
    story.line(&killed.words());
    story.part(4, "the same command again");
    let left = resume(story, stage, client, backend).await?;
    Ok((killed, left))
}

/// Runs the same command again. The old snapshot is kept until the orphaned statement is gone.
async fn resume(story: &Story<'_>, stage: &Stage, client: &Client, backend: i32) -> Result<Left> {
    let watch = super::connect(&stage.url, "cofferdam demo").await?;
    let mut runner = Child::start(stage, &["apply"])?;
    let seen = runner.told_while(story, orphan(&watch, backend)).await;
    super::execute(client, "COMMIT").await?;
    let said = runner.done(story).await?;
    let Some(seen) = seen else {
        return Err(Fault::Bug("the second runner did not wait for the orphaned statement".to_owned()));
    };
    let left = Left::new(seen?, &said);
    story.line(&left.words());
    let now = index_state(&watch).await?;
    if now != "valid" {
        return Err(Fault::Bug(format!("index {} is {now} after the change was applied", shop::INDEX)));
    }
    Ok(left)
}

/// Waits until half of the table is read for the index, or all of it and the build waits for others.
async fn half_way(client: &Client) -> Result<(Killed, i32)> {
    let sql = "SELECT pid, phase, CASE WHEN blocks_total > 0 THEN blocks_done * 100 / blocks_total
                                       WHEN tuples_total > 0 THEN tuples_done * 100 / tuples_total END
               FROM pg_catalog.pg_stat_progress_create_index
               WHERE relid = 'orders'::regclass AND phase <> 'initializing'";
    loop {
        if let Some(row) = super::query(client, sql, &[]).await?.first() {
            let phase: String = row.get(1);
            let percent = row.get::<_, Option<i64>>(2).and_then(|percent| u8::try_from(percent).ok());
            let reading =
                phase.starts_with("building index: scanning") || phase == "waiting for writers before build";
            if !reading || percent.is_some_and(|percent| percent >= 50) {
                let during = format!("create index concurrently {}", shop::INDEX);
                return Ok((Killed { during, phase, percent }, row.get(0)));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the orphaned statement is gone, at most for [`ORPHAN_LIMIT`]. After how many milliseconds it was,
/// and what it left of the index.
async fn orphan(client: &Client, backend: i32) -> Result<(Option<u64>, &'static str)> {
    let began = Instant::now();
    let sql = "SELECT FROM pg_catalog.pg_stat_activity WHERE pid = $1";
    while !super::query(client, sql, &[(&backend, Type::INT4)]).await?.is_empty() {
        if began.elapsed() > ORPHAN_LIMIT {
            return Ok((None, "building"));
        }
        tokio::time::sleep(LOOK).await;
    }
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok((Some(ms), index_state(client).await?))
}

async fn index_state(client: &Client) -> Result<&'static str> {
    let sql = "SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass($1)";
    let rows = super::query(client, sql, &[(&shop::INDEX, Type::TEXT)]).await?;
    Ok(match rows.first().map(|row| row.get::<_, bool>(0)) {
        Some(true) => "valid",
        Some(false) => "invalid",
        None => "absent",
    })
}
