//! What is seen of an online change on MySQL and MariaDB.

use cofferdam_core::online::Part;
use cofferdam_core::{Fault, Result};

use super::{Link, cell, query, text};
use crate::demo::middle::share;

/// See [`crate::demo::database::Database::key_type`].
pub(in crate::demo) async fn key_type(link: &Link) -> Result<String> {
    let sql = "SELECT DATA_TYPE AS type FROM information_schema.COLUMNS
               WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'orders' AND COLUMN_NAME = 'id'";
    let rows = query(link, sql).await?;
    rows.first()
        .map(|row| text(row, "type"))
        .ok_or_else(|| Fault::Bug("table orders has no column id".to_owned()))
}

/// See [`crate::demo::database::Database::done`].
pub(in crate::demo) async fn done(
    link: &Link,
    part: Part,
    rows: u32,
) -> Result<Option<(Option<String>, i64)>> {
    let list = "SELECT TABLE_NAME AS name FROM information_schema.TABLES
                WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME RLIKE '^_cofferdam_[0-9a-f]{12}_chunk$'";
    let Some(chunks) = query(link, list).await?.first().map(|row| text(row, "name")) else {
        return Ok(None);
    };
    let done = if part == Part::Compare { "compared" } else { "copied" };
    let sql = format!(
        "SELECT (SELECT stage FROM _cofferdam_online), CAST({} AS SIGNED) FROM `{chunks}` WHERE {done} > 0",
        share("_cofferdam_low0", "_cofferdam_high0", rows)
    );
    let found = query(link, &sql).await?;
    Ok(found.first().map(|row| (cell(row, 0).unwrap_or_default(), cell(row, 1).unwrap_or_default())))
}

/// See [`crate::demo::database::Database::left_behind`].
pub(in crate::demo) async fn left_behind(link: &Link) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for sql in [
        "SELECT CONCAT('change ', id) AS what FROM _cofferdam_online ORDER BY 1",
        "SELECT CONCAT('table ', TABLE_NAME) AS what FROM information_schema.TABLES
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME RLIKE '^_cofferdam_[0-9a-f]{12}_' ORDER BY 1",
        "SELECT CONCAT('trigger ', TRIGGER_NAME, ' on ', EVENT_OBJECT_TABLE) AS what
         FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1",
    ] {
        left.extend(query(link, sql).await?.iter().map(|row| text(row, "what")));
    }
    Ok(left)
}
