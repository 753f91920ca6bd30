//! Touching tables as the application would, to measure how long they cannot be used.

use std::time::{Duration, Instant};

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use cofferdam_core::Name;
use cofferdam_core::fault::Result;

use super::cells::{AnswerCells, RowCells};
use super::session::PostgresSession;
use super::watch::{HOLDER_COLUMNS, holder_of};
use super::{connect, errors};
use crate::{Holder, Touch, TouchEnd};

/// First look at who holds a touch up, and every look after it. Most touches end before the first one.
const LOOK: Duration = Duration::from_millis(40);

/// What a statement of the application takes: to read, and to write.
const MODES: &[(&str, bool)] = &[("ACCESS SHARE", false), ("ROW EXCLUSIVE", true)];

/// Who holds a touch up, as far as a look could tell.
#[derive(Default)]
struct Held {
    by: Vec<Holder>,
    ours: Option<bool>,
}

pub(super) async fn touch(
    session: &mut PostgresSession,
    tables: &[Name],
    patience: Duration,
) -> Result<Vec<Touch>> {
    if session.watch.is_none() {
        session.watch = Some(connect::connect(&session.watch_options()).await?.client);
    }
    if session.backend == 0 {
        let own = session.client.query_typed("SELECT pg_catalog.pg_backend_pid()", &[]).await;
        let own = own.map_err(|e| errors::fault(e, "asking for the session's number"))?;
        session.backend = own.first_cell()?.unwrap_or(0);
    }
    let mut touches = Vec::new();
    for table in tables {
        for (mode, writes) in MODES {
            touches.push(one(session, table, mode, *writes, patience).await?);
        }
    }
    Ok(touches)
}

async fn one(
    session: &PostgresSession,
    table: &Name,
    mode: &str,
    writes: bool,
    patience: Duration,
) -> Result<Touch> {
    let (wait, in_all) = (patience.as_millis().max(1), patience.as_millis() + 2_000);
    // ONLY: a statement of the application does not lock every partition either.
    let sql = format!(
        "BEGIN; SET LOCAL lock_timeout = {wait}; SET LOCAL statement_timeout = {in_all};
         LOCK TABLE ONLY {} IN {mode} MODE; ROLLBACK",
        table.to_sql()?
    );
    let began = Instant::now();
    let touched = session.client.batch_execute(&sql);
    tokio::pin!(touched);
    let mut held = Held::default();
    let result = loop {
        tokio::select! {
            result = &mut touched => break result,
            () = tokio::time::sleep(LOOK) => {
                if let Some(watch) = &session.watch
                    && let Some(seen) = look(watch, session.backend).await
                {
                    held = seen;
                }
            }
        }
    };
    let waited = began.elapsed();
    let end = match result {
        Ok(()) => TouchEnd::Passed,
        Err(error) => {
            let end = end_of(error.code());
            // The transaction that failed is still open.
            session.client.batch_execute("ROLLBACK").await.map_err(|e| errors::fault(e, "letting go"))?;
            end.ok_or_else(|| errors::fault(error, &format!("touching {table}")))?
        }
    };
    Ok(Touch { table: table.clone(), writes, waited, end, held_by: held.by, ours: held.ours })
}

/// What came of a touch that failed; `None`: that it could not be made.
fn end_of(code: Option<&SqlState>) -> Option<TouchEnd> {
    let code = code?;
    if *code == SqlState::LOCK_NOT_AVAILABLE || *code == SqlState::T_R_DEADLOCK_DETECTED {
        return Some(TouchEnd::GaveUp);
    }
    let absent = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_OBJECT,
        SqlState::WRONG_OBJECT_TYPE,
        SqlState::INVALID_SCHEMA_NAME,
    ];
    absent.contains(code).then_some(TouchEnd::Absent)
}

/// A session is ours by its name, also where it only stands before those that wait: what waits for a lock keeps
/// others from it as much as what has it.
async fn look(watch: &Client, backend: i32) -> Option<Held> {
    let sql = format!(
        "SELECT {HOLDER_COLUMNS}, a.application_name LIKE 'cofferdam %' OR EXISTS (
             SELECT FROM pg_catalog.pg_stat_activity b WHERE b.pid = ANY (pg_catalog.pg_blocking_pids(a.pid))
             AND b.application_name LIKE 'cofferdam %' AND b.pid <> $1)
         FROM pg_catalog.pg_stat_activity a
         WHERE a.pid = ANY (pg_catalog.pg_blocking_pids($1)) AND a.pid <> $1"
    );
    let rows = watch.query_typed(&sql, &[(&backend, Type::INT4)]).await.ok()?;
    if rows.is_empty() {
        return None;
    }
    // A row that cannot be read is passed over; that it is ours stays possible.
    let ours = rows.iter().any(|row| row.cell::<Option<bool>>(7).ok().flatten().unwrap_or(true));
    Some(Held { by: rows.iter().filter_map(|row| holder_of(row).ok()).collect(), ours: Some(ours) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_a_touch_follows_from_the_code() {
        for (code, expected) in [
            (SqlState::LOCK_NOT_AVAILABLE, Some(TouchEnd::GaveUp)),
            (SqlState::UNDEFINED_TABLE, Some(TouchEnd::Absent)),
            (SqlState::WRONG_OBJECT_TYPE, Some(TouchEnd::Absent)),
            (SqlState::INVALID_SCHEMA_NAME, Some(TouchEnd::Absent)),
            (SqlState::INSUFFICIENT_PRIVILEGE, None),
            (SqlState::QUERY_CANCELED, None),
        ] {
            assert_eq!(end_of(Some(&code)), expected, "{code:?}");
        }
        assert_eq!(end_of(None), None, "a connection that broke");
    }
}
