//! What other processes see and ask of an online change: the tables through which they speak with its runner.
//!
//! `cofferdam.online` has one row for each change, from its first part until the end of its last. Only the runner
//! that holds the run lock writes to it:
//!
//! | column | meaning |
//! |---|---|
//! | `id` | `Online::id`: follows from the table's name, so there is one change of a table at a time |
//! | `run` | the run that carries it out |
//! | `change` | the `Online` of the plan |
//! | `blueprint` | what was found out about the table at the first part |
//! | `stage` | the word of the last part that ended (`Part::word`), NULL before; written in that part's last transaction, so that after a crash it tells whether the part is done. An undoing part sets what it comes back to: `swap-back` sets `gate`, `release` sets `create`; `discard` and `finish` delete the row |
//! | `fence` | the epoch of the runner that may write |
//! | `progress` | a [`Progress`] |
//! | `poisoned` | why no later try may swap: a comparison failed |
//! | `began_at`, `swapped_at`, `updated_at` | when |
//! | `copied_xid` | `pg_current_xact_id()` of the last transaction that copied rows |
//! | `copied_beside` | the transactions that had a snapshot then; see `snapshots::at_work` |
//!
//! `cofferdam.control` has at most one row for each change. Any process writes to it, without the run lock; the
//! runner reads it, and deletes it at the first part and with the change.

use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;
use cofferdam_core::online::Online;

use crate::online::{Asked, OnlineState, Progress, no_such_change, part_of};
use crate::postgres::cells::RowCells;
use crate::postgres::{errors, reading};

/// The tables. Everything is `IF NOT EXISTS`, so that it may run again at any time; it runs under the run lock.
pub(in crate::postgres) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS cofferdam.online (
    id text PRIMARY KEY,
    run uuid,
    change json NOT NULL,
    blueprint json,
    stage text,
    fence bigint NOT NULL,
    progress json NOT NULL DEFAULT '{}',
    poisoned text,
    began_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    copied_xid text,
    copied_beside text[],
    swapped_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE TABLE IF NOT EXISTS cofferdam.control (
    id text PRIMARY KEY,
    paused boolean NOT NULL DEFAULT false,
    cutover boolean NOT NULL DEFAULT false,
    abort boolean NOT NULL DEFAULT false,
    workers integer,
    full_speed boolean NOT NULL DEFAULT false,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    by text NOT NULL DEFAULT ''
);
";

/// See [`crate::Session::online`]. Empty where no online change ever was.
pub(in crate::postgres) async fn states(client: &Client) -> Result<Vec<OnlineState>> {
    let sql = format!(
        "SELECT o.id, o.run, o.change, o.stage, o.progress, o.poisoned, {began}, {updated}, {swapped},
                greatest(0, extract(epoch FROM pg_catalog.clock_timestamp() - o.updated_at))::bigint,
                coalesce(c.paused, false), coalesce(c.cutover, false), coalesce(c.abort, false), c.workers,
                coalesce(c.full_speed, false)
         FROM cofferdam.online o LEFT JOIN cofferdam.control c ON c.id = o.id ORDER BY o.began_at, o.id",
        began = reading::time("o.began_at"),
        updated = reading::time("o.updated_at"),
        swapped = reading::time("o.swapped_at"),
    );
    reading::read(client, &sql, &[]).await?.iter().map(state).collect()
}

fn state(row: &Row) -> Result<OnlineState> {
    let id: String = row.cell(0)?;
    let unreadable = |e: &dyn std::fmt::Display| {
        Fault::Bug(format!("online change {id} was written by another version of Cofferdam: {e}"))
    };
    let Json(change) = row.try_get::<_, Json<Online>>(2).map_err(|e| unreadable(&e))?;
    let Json(progress) = row.try_get::<_, Json<Progress>>(4).map_err(|e| unreadable(&e))?;
    let stage = match row.cell::<Option<String>>(3)? {
        None => None,
        Some(word) => Some(part_of(&word).ok_or_else(|| unreadable(&format!("no part is called {word}")))?),
    };
    Ok(OnlineState {
        run: row.cell::<Option<Uuid>>(1)?,
        change,
        stage,
        progress,
        poisoned: row.cell(5)?,
        began_at: row.cell(6)?,
        updated_at: row.cell(7)?,
        swapped_at: row.cell(8)?,
        silent_seconds: u64::try_from(row.cell::<i64>(9)?).unwrap_or(0),
        paused: row.cell(10)?,
        cutover: row.cell(11)?,
        abort: row.cell(12)?,
        workers_limit: row.cell::<Option<i32>>(13)?.and_then(|n| u32::try_from(n).ok()),
        full_speed: row.cell(14)?,
        id,
    })
}

/// See [`crate::Session::control`].
pub(in crate::postgres) async fn control(client: &Client, id: &str, asked: &Asked, by: &str) -> Result<()> {
    let (column, value) = match asked {
        Asked::Pause => ("paused", "true".to_owned()),
        Asked::Resume => ("paused", "false".to_owned()),
        Asked::Cutover => ("cutover", "true".to_owned()),
        Asked::Abort => ("abort", "true".to_owned()),
        Asked::Throttle { workers: 0 } => ("workers", "NULL".to_owned()),
        Asked::Throttle { workers } => ("workers", workers.to_string()),
        Asked::Pace { full } => ("full_speed", full.to_string()),
    };
    let sql = "SELECT 1 FROM cofferdam.online WHERE id = $1";
    if reading::read(client, sql, &[(&id, Type::TEXT)]).await?.is_empty() {
        return Err(no_such_change(id).into());
    }
    client
        .query_typed(
            &format!(
                "INSERT INTO cofferdam.control AS c (id, {column}, by) VALUES ($1, {value}, $2)
                 ON CONFLICT (id) DO UPDATE
                 SET {column} = excluded.{column}, by = excluded.by, at = pg_catalog.clock_timestamp()"
            ),
            &[(&id, Type::TEXT), (&by, Type::TEXT)],
        )
        .await
        .map_err(|e| errors::fault(e, "writing to cofferdam.control"))?;
    Ok(())
}
