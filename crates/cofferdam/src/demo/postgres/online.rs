//! What is seen of an online change on PostgreSQL.

use cofferdam_core::online::Part;
use cofferdam_core::{Fault, Result};
use cofferdam_engines::postgres::cells::{AnswerCells, RowCells};
use tokio_postgres::Client;

use super::query;
use crate::demo::middle::share;

/// See [`crate::demo::database::Database::key_type`].
pub(in crate::demo) async fn key_type(client: &Client) -> Result<String> {
    let sql = "SELECT format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
               WHERE attrelid = 'public.orders'::regclass AND attname = 'id'";
    let rows = query(client, sql, &[]).await?;
    rows.first_cell()?.ok_or_else(|| Fault::Bug("table orders has no column id".to_owned()))
}

/// See [`crate::demo::database::Database::done`].
pub(in crate::demo) async fn done(
    client: &Client,
    part: Part,
    rows: u32,
) -> Result<Option<(Option<String>, i64)>> {
    let list = r"SELECT format('%I.%I', n.nspname, c.relname)
                 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE n.nspname LIKE 'cofferdam\_new\_%' AND c.relname = 'cofferdam chunk'";
    let Some(chunks) = query(client, list, &[]).await?.first_cell::<String>()? else {
        return Ok(None);
    };
    let done = if part == Part::Compare { "compared" } else { "copied" };
    let sql = format!(
        "SELECT (SELECT stage FROM cofferdam.online), CAST({} AS bigint) FROM {chunks} WHERE {done}",
        share("low[1]::bigint", "high[1]::bigint", rows)
    );
    query(client, &sql, &[]).await?.first().map(|row| Ok((row.cell(0)?, row.cell(1)?))).transpose()
}

/// See [`crate::demo::database::Database::left_behind`].
pub(in crate::demo) async fn left_behind(client: &Client) -> Result<Vec<String>> {
    let sql = r"
        SELECT format('schema %s', nspname) FROM pg_catalog.pg_namespace WHERE nspname LIKE 'cofferdam\_%'
        UNION ALL
        SELECT format('trigger %s on %s', tgname, tgrelid::regclass)
        FROM pg_catalog.pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'cofferdam%'
        UNION ALL
        SELECT format('function %s', oid::regprocedure) FROM pg_catalog.pg_proc WHERE proname LIKE 'cofferdam%'
        UNION ALL
        SELECT format('slot %s', slot_name) FROM pg_catalog.pg_replication_slots
        UNION ALL
        SELECT format('change %s', id) FROM cofferdam.online
        ORDER BY 1";
    query(client, sql, &[]).await?.first_cells()
}
