//! Reading Cofferdam's own tables. Where they are not there, nothing ever happened here.

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Json, ToSql, Type};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use cofferdam_core::fault::Result;
use cofferdam_core::journal::{Entry, What};
use cofferdam_core::{Fault, Phase};

use super::cells::RowCells;
use super::errors;
use crate::{Run, Runs};

pub(super) async fn read(
    client: &Client,
    sql: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Row>> {
    match client.query_typed(sql, parameters).await {
        Ok(rows) => Ok(rows),
        Err(e) if e.code().is_some_and(absent) => Ok(Vec::new()),
        Err(e) => Err(errors::fault(e, "reading schema cofferdam")),
    }
}

fn absent(code: &SqlState) -> bool {
    *code == SqlState::UNDEFINED_TABLE || *code == SqlState::INVALID_SCHEMA_NAME
}

/// RFC 3339 in UTC, whatever the session's time zone.
pub(super) fn time(column: &str) -> String {
    format!("pg_catalog.to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
}

pub(super) async fn runs(client: &Client, which: Runs) -> Result<Vec<Run>> {
    let columns = format!(
        "SELECT id, phase, epoch, digest, plan, record, {}, {}, started_by FROM cofferdam.run",
        time("started_at"),
        time("ended_at")
    );
    let rows = match which {
        Runs::Unfinished => {
            read(client, &format!("{columns} WHERE ended_at IS NULL ORDER BY id DESC"), &[]).await?
        }
        Runs::Last(most) => {
            let most = i64::from(most);
            read(client, &format!("{columns} ORDER BY id DESC LIMIT $1"), &[(&most, Type::INT8)]).await?
        }
        Runs::One(id) => read(client, &format!("{columns} WHERE id = $1"), &[(&id, Type::UUID)]).await?,
    };
    rows.iter().map(run_of).collect()
}

fn run_of(row: &Row) -> Result<Run> {
    let (id, phase): (Uuid, String) = (row.cell(0)?, row.cell(1)?);
    let unreadable = |e: &dyn std::fmt::Display| {
        Fault::Bug(format!("run {id} was written by another version of Cofferdam: {e}"))
    };
    Ok(Run {
        id,
        phase: serde_json::from_value::<Phase>(phase.into()).map_err(|e| unreadable(&e))?,
        epoch: row.cell(2)?,
        digest: row.cell(3)?,
        plan: row.try_get::<_, Json<_>>(4).map_err(|e| unreadable(&e))?.0,
        record: row.try_get::<_, Json<_>>(5).map_err(|e| unreadable(&e))?.0,
        started_at: row.cell(6)?,
        ended_at: row.cell(7)?,
        by: row.cell(8)?,
    })
}

const JOURNAL: &str = "SELECT seq, run, epoch, at, who, entry, previous, hash FROM cofferdam.journal";

pub(super) async fn journal(client: &Client, run: Option<Uuid>) -> Result<Vec<Entry>> {
    let rows = match run {
        Some(run) => {
            read(client, &format!("{JOURNAL} WHERE run = $1 ORDER BY seq"), &[(&run, Type::UUID)]).await?
        }
        None => read(client, &format!("{JOURNAL} ORDER BY seq"), &[]).await?,
    };
    entries(&rows)
}

/// See [`crate::Session::journal_after`].
pub(super) async fn journal_after(client: &Client, seq: i64, most: u32) -> Result<Vec<Entry>> {
    let sql = format!("{JOURNAL} WHERE seq OPERATOR(pg_catalog.>) $1 ORDER BY seq LIMIT $2");
    entries(&read(client, &sql, &[(&seq, Type::INT8), (&i64::from(most), Type::INT8)]).await?)
}

/// See [`crate::Session::journal_head`].
pub(super) async fn journal_head(client: &Client) -> Result<Option<(i64, String)>> {
    let sql = "SELECT seq, hash FROM cofferdam.journal ORDER BY seq DESC LIMIT 1";
    read(client, sql, &[]).await?.first().map(|row| Ok((row.cell(0)?, row.cell(1)?))).transpose()
}

fn entries(rows: &[Row]) -> Result<Vec<Entry>> {
    rows.iter()
        .map(|row| {
            let seq = row.cell(0)?;
            let what = row
                .try_get::<_, Json<What>>(5)
                .map_err(|e| Fault::Bug(format!("journal row {seq} cannot be read: {e}")))?;
            Ok(Entry {
                seq,
                run: row.cell(1)?,
                epoch: row.cell(2)?,
                at: row.cell::<jiff::Timestamp>(3)?.to_string(),
                who: row.cell(4)?,
                what: what.0,
                previous: row.cell(6)?,
                hash: row.cell(7)?,
            })
        })
        .collect()
}
