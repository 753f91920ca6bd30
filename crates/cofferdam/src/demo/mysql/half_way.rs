//! How the runner is met while it builds an index on MySQL and MariaDB.
//!
//! These servers go on with a statement whose client is gone. Its session keeps the run lock meanwhile, so the next
//! runner waits for the end of it and then looks into the catalog.

use cofferdam_core::Result;

use super::{Link, cell, text};
use crate::demo::half_way::Killed;
use crate::demo::shop;

/// The server reads the table for the index: what comes before and after is too short to be met.
pub(in crate::demo) async fn building(link: &Link) -> Result<Option<(Killed, i64)>> {
    let statements = super::processes(link).await?;
    let builds = |info: String| info.starts_with("CREATE INDEX") && info.contains(shop::INDEX);
    let found = statements
        .iter()
        .find(|row| builds(text(row, "Info")) && text(row, "State") == "altering table")
        .map(|row| {
            let percent = text(row, "Progress").parse::<f64>().ok().filter(|percent| *percent > 0.0);
            let killed = Killed {
                during: format!("create index {}", shop::INDEX),
                phase: text(row, "State"),
                percent: percent.map(|percent| percent.min(100.0) as u8),
            };
            (killed, cell(row, "Id").unwrap_or_default())
        });
    Ok(found)
}

/// See [`crate::demo::database::Database::at_work`].
pub(in crate::demo) async fn at_work(link: &Link, session: i64) -> Result<bool> {
    Ok(super::processes(link).await?.iter().any(|row| cell(row, "Id") == Some(session)))
}

/// See [`crate::demo::database::Database::index`]. One that is there in part there is not.
pub(in crate::demo) async fn index(link: &Link) -> Result<&'static str> {
    let sql = format!(
        "SELECT 1 FROM information_schema.STATISTICS
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'orders' AND INDEX_NAME = '{}'",
        shop::INDEX
    );
    Ok(if super::query(link, &sql).await?.is_empty() { "absent" } else { "valid" })
}
