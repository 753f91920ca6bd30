//! Whether somebody else uses the server.

use tokio_postgres::Client;

use cofferdam_core::fault::Result;

use super::cells::AnswerCells;
use super::errors;

/// Somebody else is at work, or was a moment ago. Of sessions of others, a role that may not see more sees only that
/// they are there: then they count.
pub(super) async fn are_at_work(client: &Client) -> Result<bool> {
    let query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity
        WHERE (backend_type = 'client backend' OR (backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL))
          AND application_name NOT LIKE 'cofferdam%'
          AND (state IS NULL OR state <> 'idle' OR state_change > pg_catalog.now() - pg_catalog.make_interval(secs => 2)))";
    let rows =
        client.query_typed(query, &[]).await.map_err(|e| errors::fault(e, "looking who else is there"))?;
    Ok(rows.first_cell()?.unwrap_or(true))
}
