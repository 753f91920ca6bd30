//! Runs that are to be taken back, written down by whoever watches them, without the run lock.

use uuid::Uuid;

use cofferdam_core::fault::Result;

use super::errors;
use super::link::{self, Link};
use super::reading::{read, time};
use super::tables::Tables;

const DOING: &str = "writing down that a run is to be taken back";

pub(super) async fn ask(link: &mut Link, tables: &Tables, run: Uuid, why: &str, by: &str) -> Result<()> {
    // The first word counts.
    let sql = format!(
        "INSERT INTO {} (run, why, `by`, at) VALUES (?, ?, ?, UTC_TIMESTAMP(6))
         ON DUPLICATE KEY UPDATE run = run",
        tables.recall
    );
    let values = vec![run.to_string().into(), why.into(), by.into()];
    link.rows(&sql, values).await.map(drop).map_err(|e| errors::fault(e, DOING))
}

pub(super) async fn asked(link: &mut Link, tables: &Tables, run: Uuid) -> Result<Option<(String, String)>> {
    let sql = format!("SELECT why, {} FROM {} WHERE run = ?", time("at"), tables.recall);
    let rows = read(link, &sql, vec![run.to_string().into()]).await?;
    Ok(rows.first().and_then(|row| Some((link::text(row, 0)?, link::text(row, 1)?))))
}

pub(super) async fn answer(link: &mut Link, tables: &Tables, run: Uuid) -> Result<()> {
    let sql = format!("DELETE FROM {} WHERE run = ?", tables.recall);
    read(link, &sql, vec![run.to_string().into()]).await.map(drop)
}
