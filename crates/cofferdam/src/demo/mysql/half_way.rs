//! How the runner is met half-way on MySQL and MariaDB, and what becomes of its statement.
//!
//! These servers go on with a statement whose client is gone. Its session keeps the run lock meanwhile, so the next
//! runner waits for the end of it and then looks into the catalog.

use std::time::{Duration, Instant};

use cofferdam_core::{Fault, Result};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::Shop;
use crate::demo::child::Child;
use crate::demo::half_way::{Killed, Left};
use crate::demo::shop;
use crate::demo::stage::Stage;
use crate::demo::story::Story;

/// How often the server is asked.
const LOOK: Duration = Duration::from_millis(3);

/// How long the next runner waits for the orphaned statement.
const PATIENCE: [&str; 2] = ["--lock-wait", "10m"];

/// Applies version 2 with the runner killed while the server builds the index, and again. `None`: the index was there
/// before anybody could be killed.
pub(in crate::demo) async fn play(
    story: &Story<'_>,
    stage: &Stage,
    shop: &Shop,
) -> Result<Option<(Killed, Left)>> {
    let mut watch = shop.look().await?;
    let mut runner = Child::start(stage, &["apply"])?;
    let Some(killed) = runner.told_while(story, building(&mut watch)).await else {
        runner.done(story).await?;
        story.line("the index was built before the runner could be killed: that takes more rows");
        story.part(4, "it goes on");
        return Ok(None);
    };
    let (killed, connection) = killed?;
    runner.kill(story).await?;
    story.line(&killed.words());
    story.part(4, "the same command again");
    let mut runner = Child::start(stage, &[&["apply"][..], &PATIENCE].concat())?;
    let seen = match runner.told_while(story, orphan(&mut watch, connection)).await {
        Some(seen) => seen,
        // It ended between two looks.
        None => orphan(&mut watch, connection).await,
    };
    let said = runner.done(story).await?;
    let left = Left::new(seen?, &said);
    story.line(&left.words());
    match index(&mut watch).await? {
        "valid" => Ok(Some((killed, left))),
        now => Err(Fault::Bug(format!("index {} is {now} after the change was applied", shop::INDEX))),
    }
}

/// Waits until the server reads the table for the index. With the number of the connection that asked for it.
async fn building(conn: &mut Conn) -> Result<(Killed, u64)> {
    loop {
        for row in super::query(conn, "SHOW FULL PROCESSLIST").await? {
            let builds =
                text(&row, "Info").starts_with("CREATE INDEX") && text(&row, "Info").contains(shop::INDEX);
            let phase = text(&row, "State");
            // What comes before and after is too short to be met.
            if builds && phase == "altering table" {
                let percent = text(&row, "Progress").parse::<f64>().ok().filter(|percent| *percent > 0.0);
                let during = format!("create index {}", shop::INDEX);
                let percent = percent.map(|percent| percent.min(100.0) as u8);
                let connection = row.get("Id").unwrap_or_default();
                return Ok((Killed { during, phase, percent }, connection));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the orphaned statement is gone. After how many milliseconds it was, and what it left of the index.
async fn orphan(conn: &mut Conn, connection: u64) -> Result<(Option<u64>, &'static str)> {
    let began = Instant::now();
    let goes_on = async |conn: &mut Conn| -> Result<bool> {
        let rows = super::query(conn, "SHOW FULL PROCESSLIST").await?;
        Ok(rows.iter().any(|row| row.get::<u64, _>("Id") == Some(connection)))
    };
    while goes_on(conn).await? {
        tokio::time::sleep(LOOK).await;
    }
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok((Some(ms), index(conn).await?))
}

async fn index(conn: &mut Conn) -> Result<&'static str> {
    let sql = "SELECT COUNT(*) FROM information_schema.STATISTICS
               WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'orders' AND INDEX_NAME = ?";
    let there: Option<u64> = conn.exec_first(sql, (shop::INDEX,)).await.map_err(|e| super::fault(&e, sql))?;
    Ok(if there.unwrap_or(0) > 0 { "valid" } else { "absent" })
}

/// A cell as a text; an empty one where there is none.
fn text(row: &Row, column: &str) -> String {
    match row.get_opt::<Option<String>, _>(column) {
        Some(Ok(Some(text))) => text,
        _ => String::new(),
    }
}
