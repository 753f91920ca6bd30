//! Runs that are to be taken back, written down by whoever watches them.
//!
//! `cofferdam.recall` has at most one row for each run. It is written without the run lock, because the session that
//! holds that may be in the middle of the statement that is the reason.

use tokio_postgres::Client;
use tokio_postgres::types::Type;
use uuid::Uuid;

use cofferdam_core::fault::Result;

use super::cells::{AnswerCells, RowCells};
use super::errors;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS cofferdam.recall (
    run uuid PRIMARY KEY,
    why text NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
)";

pub(super) async fn ask(client: &Client, run: Uuid, why: &str, by: &str) -> Result<()> {
    if !is_there(client).await? {
        let quietly = format!("SET client_min_messages = warning; {TABLE}; RESET client_min_messages");
        client.batch_execute(&quietly).await.map_err(|e| errors::fault(e, "making cofferdam.recall"))?;
    }
    client
        .query_typed(
            "INSERT INTO cofferdam.recall (run, why, by) VALUES ($1, $2, $3) ON CONFLICT (run) DO NOTHING",
            &[(&run, Type::UUID), (&why, Type::TEXT), (&by, Type::TEXT)],
        )
        .await
        .map(drop)
        .map_err(|e| errors::fault(e, "writing to cofferdam.recall"))
}

pub(super) async fn asked(client: &Client, run: Uuid) -> Result<Option<(String, String)>> {
    if !is_there(client).await? {
        return Ok(None);
    }
    let rows = client
        .query_typed("SELECT why, at FROM cofferdam.recall WHERE run = $1", &[(&run, Type::UUID)])
        .await
        .map_err(|e| errors::fault(e, "reading cofferdam.recall"))?;
    rows.first().map(|row| Ok((row.cell(0)?, row.cell::<jiff::Timestamp>(1)?.to_string()))).transpose()
}

pub(super) async fn answer(client: &Client, run: Uuid) -> Result<()> {
    if !is_there(client).await? {
        return Ok(());
    }
    client
        .query_typed("DELETE FROM cofferdam.recall WHERE run = $1", &[(&run, Type::UUID)])
        .await
        .map(drop)
        .map_err(|e| errors::fault(e, "writing to cofferdam.recall"))
}

async fn is_there(client: &Client) -> Result<bool> {
    let rows = client
        .query_typed("SELECT pg_catalog.to_regclass('cofferdam.recall') IS NOT NULL", &[])
        .await
        .map_err(|e| errors::fault(e, "looking for cofferdam.recall"))?;
    Ok(rows.first_cell()?.unwrap_or(false))
}
