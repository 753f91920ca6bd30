//! Watching a session's own statements: one look before and one after each, and of those outside of a transaction,
//! which give their locks back before their answer comes, looks from outside meanwhile.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::Client;

use cofferdam_core::fault::Result;
use cofferdam_core::plan::Act;

use super::super::cells::AnswerCells;
use super::super::session::PostgresSession;
use super::super::{connect, errors};
use super::look::{Look, look};
use crate::Tick;

/// Somebody who holds every table makes a statement stop where it asks for its lock; in a database with more tables
/// than this nobody does, and a quick statement is not seen.
const MOST_HELD: usize = 2_000;

/// So long a statement is made to wait at the most. It waits for a shorter time than its own limit.
const HELD: Duration = Duration::from_millis(400);

/// Begins to watch: opens what looks from outside.
pub(in super::super) async fn begin(session: &mut PostgresSession) -> Result<()> {
    session.observed = true;
    let row = session.client.query_typed("SELECT pg_catalog.pg_backend_pid()", &[]).await;
    let row = row.map_err(|e| errors::fault(e, "beginning to watch"))?;
    session.backend = row.first_cell()?.unwrap_or(session.backend);
    Ok(())
}

/// A look before a statement; `None`: nobody watches.
pub(in super::super) async fn before(session: &PostgresSession) -> Result<Option<Look>> {
    if !session.observed {
        return Ok(None);
    }
    look(&session.client, session.backend, true).await.map(Some)
}

/// A look after a statement, and what was seen is told.
pub(in super::super) async fn after(
    session: &PostgresSession,
    before: Option<Look>,
    outside: Option<Outside>,
    step: &str,
) -> Result<()> {
    let Some(before) = before else { return Ok(()) };
    let mut after = look(&session.client, session.backend, true).await?;
    let mut seen = true;
    if let Some(outside) = outside {
        let looked = outside.end().await;
        seen = looked.locks_anything();
        after = after.with_locks_of(&looked);
    }
    let deed = crate::rehearsal::Deed { locks_seen: seen, ..before.until(&after) };
    (session.ticker)(Tick::Deed(step.to_owned(), Box::new(deed)));
    Ok(())
}

/// What looks from outside while a statement runs.
pub(in super::super) struct Outside {
    looking: JoinHandle<Look>,
    done: tokio::sync::watch::Sender<bool>,
}

impl Outside {
    /// The statement has ended: what was seen.
    async fn end(self) -> Look {
        let _ = self.done.send(true);
        self.looking.await.unwrap_or_default()
    }
}

/// Begins to look from outside. Parts of an online change have connections of their own, and are not looked at.
pub(in super::super) async fn outside(
    session: &PostgresSession,
    act: &Act,
    before: Option<&Look>,
) -> Result<Option<Outside>> {
    let Some(before) = before.filter(|_| !matches!(act, Act::Online { .. } | Act::Park { .. })) else {
        return Ok(None);
    };
    let watcher = connect::connect(&session.watch_options()).await?.client;
    let holder = connect::connect(&session.watch_options()).await?.client;
    hold(&holder, &before.tables(), &act.text()).await;
    let pid = session.backend;
    let (done, ended) = tokio::sync::watch::channel(false);
    let looking = tokio::spawn(async move { look_on(&watcher, holder, pid, ended).await });
    Ok(Some(Outside { looking, done }))
}

/// Holds all tables as somebody who writes does. VACUUM waits for nobody who writes, and DETACH gives its lock back
/// before it waits: those are held up by somebody who wants what they want. That it fails matters little: then a
/// quick statement is not seen.
async fn hold(holder: &Client, tables: &[u32], sql: &str) {
    if tables.len() > MOST_HELD {
        return;
    }
    let upper = sql.to_ascii_uppercase();
    let same = upper.contains("DETACH") || upper.trim_start().starts_with("VACUUM");
    let mode = if same { "SHARE UPDATE EXCLUSIVE" } else { "ROW EXCLUSIVE" };
    let names = "SELECT pg_catalog.string_agg(oid::pg_catalog.regclass::pg_catalog.text, ', ') FROM pg_catalog.pg_class
                 WHERE oid = ANY ($1) AND pg_catalog.has_table_privilege(oid, 'UPDATE')";
    let asked = holder.query_typed(names, &[(&tables, tokio_postgres::types::Type::OID_ARRAY)]).await;
    let names: Option<String> = asked.ok().and_then(|rows| rows.first_cell().ok().flatten().flatten());
    let Some(names) = names else { return };
    // An index is built without waiting for who has written nothing: a snapshot holds it up at its end.
    let sql = format!("BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE {names} IN {mode} MODE; SELECT 1");
    let _ = holder.batch_execute(&sql).await;
}

async fn look_on(
    watcher: &Client,
    holder: Client,
    pid: i32,
    mut ended: tokio::sync::watch::Receiver<bool>,
) -> Look {
    let waits = "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE pid = $1 AND NOT granted)";
    let began = tokio::time::Instant::now();
    let mut seen = Look::default();
    let mut holder = Some(holder);
    while !*ended.borrow_and_update() {
        // In this order: what waits when it is asked held its locks at the look before.
        let waiting = watcher.query_typed(waits, &[(&pid, tokio_postgres::types::Type::INT4)]).await;
        let waiting = waiting.is_ok_and(|rows| matches!(rows.first_cell(), Ok(Some(true))));
        if let Ok(now) = look(watcher, pid, false).await {
            seen = now.with_locks_of(&seen);
        }
        let saw = waiting && seen.locks_anything();
        if (saw || began.elapsed() > HELD)
            && let Some(holder) = holder.take()
        {
            let _ = holder.batch_execute("ROLLBACK").await;
        }
        let pause = if holder.is_some() { Duration::from_millis(2) } else { Duration::from_millis(10) };
        tokio::select! {
            // Nobody waits for the answer any more: the statement failed.
            changed = ended.changed() => if changed.is_err() { break },
            () = tokio::time::sleep(pause) => {}
        }
    }
    seen
}
