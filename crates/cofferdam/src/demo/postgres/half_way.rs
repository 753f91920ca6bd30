//! How the runner is met while it builds an index on PostgreSQL.

use cofferdam_core::Result;
use cofferdam_engines::postgres::cells::{AnswerCells, RowCells};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::demo::half_way::Killed;
use crate::demo::shop;

/// A transaction with an old snapshot, as that of a long report would be: CREATE INDEX CONCURRENTLY cannot end before it
/// does, so the runner is alive and at it whenever we look, on any machine.
pub(in crate::demo) async fn held_up(url: &str) -> Result<Client> {
    let client = super::connect(url, "cofferdam demo").await?;
    super::execute(&client, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await?;
    Ok(client)
}

/// Half of the table is read for the index, or all of it and the build waits for others.
pub(in crate::demo) async fn building(client: &Client) -> Result<Option<(Killed, i64)>> {
    let sql = "SELECT pid::bigint, phase, CASE WHEN blocks_total > 0 THEN blocks_done * 100 / blocks_total
                                               WHEN tuples_total > 0 THEN tuples_done * 100 / tuples_total END
               FROM pg_catalog.pg_stat_progress_create_index
               WHERE relid = 'orders'::regclass AND phase <> 'initializing'";
    let rows = super::query(client, sql, &[]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let phase: String = row.cell(1)?;
    let percent = row.cell::<Option<i64>>(2)?.and_then(|percent| u8::try_from(percent).ok());
    let reading =
        phase.starts_with("building index: scanning") || phase == "waiting for writers before build";
    if reading && percent.is_none_or(|percent| percent < 50) {
        return Ok(None);
    }
    let during = format!("create index concurrently {}", shop::INDEX);
    Ok(Some((Killed { during, phase, percent }, row.cell(0)?)))
}

/// See [`crate::demo::database::Database::at_work`].
pub(in crate::demo) async fn at_work(client: &Client, session: i64) -> Result<bool> {
    let sql = "SELECT FROM pg_catalog.pg_stat_activity WHERE pid = $1";
    Ok(!super::query(client, sql, &[(&session, Type::INT8)]).await?.is_empty())
}

/// See [`crate::demo::database::Database::index`].
pub(in crate::demo) async fn index(client: &Client) -> Result<&'static str> {
    let sql = "SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass($1)";
    let rows = super::query(client, sql, &[(&shop::INDEX, Type::TEXT)]).await?;
    Ok(match rows.first_cell()? {
        Some(true) => "valid",
        Some(false) => "invalid",
        None => "absent",
    })
}
