//! The look-out while a statement runs: whom it waits for, who waits for it, how far it is.
//!
//! It sits on a connection of its own. When sessions of others queue behind our statement for longer than its
//! limit, it cancels ours: a migration that is late is better than an application that stands.

use std::time::{Duration, Instant};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use cofferdam_core::Limits;
use cofferdam_core::fault::Result;

use super::cells::RowCells;
use crate::{Holder, StopAsked, Stopping, Tick, Ticker};

/// First look, and every look after it. Most statements end before the first one.
const LOOK: Duration = Duration::from_millis(150);
/// How long a statement may still run after somebody asked to stop soon.
const GRACE: Duration = Duration::from_secs(5);

/// The columns that [`holder_of`] reads, of `pg_stat_activity a`.
pub(super) const HOLDER_COLUMNS: &str = "a.pid, coalesce(a.usename::text, ''),
    coalesce(a.application_name, ''), coalesce(a.client_addr::text, ''), coalesce(a.state, ''),
    greatest(0, extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(a.state_change, a.backend_start)))::bigint,
    pg_catalog.left(pg_catalog.regexp_replace(coalesce(a.query, ''), '\\s+', ' ', 'g'), 120)";

/// Reads [`HOLDER_COLUMNS`].
pub(super) fn holder_of(row: &Row) -> Result<Holder> {
    Ok(Holder {
        pid: row.cell(0)?,
        user: row.cell(1)?,
        application: row.cell(2)?,
        client: row.cell(3)?,
        state: row.cell(4)?,
        seconds: u64::try_from(row.cell::<i64>(5)?).unwrap_or(0),
        statement: row.cell(6)?,
    })
}

/// What the look-out saw.
#[derive(Debug, Default)]
pub(super) struct Sighting {
    /// Whom our statement waited for, at the last look that found any.
    pub(super) waited_for: Vec<Holder>,
    /// We cancelled our statement because these queued behind it for so long.
    pub(super) cancelled_for: Option<(Vec<Holder>, Duration)>,
    /// We cancelled our statement because a stop was asked for.
    pub(super) stopped: bool,
}

/// The look-out of one session.
pub(super) struct Lookout<'a> {
    pub(super) watch: &'a Client,
    /// The backend whose statement is watched.
    pub(super) backend: i32,
    pub(super) limits: Limits,
    pub(super) ticker: &'a Ticker,
    pub(super) stop: &'a StopAsked,
    /// Since when our transaction, or our statement outside of one, may have been holding locks.
    pub(super) since: Instant,
    /// The statement builds an index: its progress is asked for.
    pub(super) builds_index: bool,
}

impl Lookout<'_> {
    /// Runs `work` to its end and looks about meanwhile. A look that fails is skipped: the statement's own
    /// `lock_timeout` still bounds its waiting.
    pub(super) async fn over<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> (Result<T, tokio_postgres::Error>, Sighting) {
        tokio::pin!(work);
        let mut sighting = Sighting::default();
        let mut stop_asked: Option<Instant> = None;
        loop {
            tokio::select! {
                result = &mut work => return (result, sighting),
                () = tokio::time::sleep(LOOK) => {}
            }
            let grace = match (self.stop)() {
                Stopping::No | Stopping::AtSafePoint => None,
                Stopping::Soon => Some(GRACE),
                Stopping::AtOnce => Some(Duration::ZERO),
            };
            if let Some(grace) = grace {
                let since = *stop_asked.get_or_insert_with(Instant::now);
                if since.elapsed() >= grace && !sighting.stopped {
                    sighting.stopped = self.cancel().await;
                }
            }
            self.look(&mut sighting).await;
        }
    }

    async fn look(&self, sighting: &mut Sighting) {
        let Ok(rows) = self.watch.query_typed(&look_query(), &[(&self.backend, Type::INT4)]).await else {
            return;
        };
        let mut blocking = Vec::new();
        let mut waiting_for = Vec::new();
        let mut longest = Duration::ZERO;
        for row in &rows {
            // What cannot be read is passed over, as a look that fails is.
            let Ok((session, waited)) = session_of(row) else { continue };
            match waited {
                Some(waited) => {
                    blocking.push(session);
                    longest = longest.max(waited.min(self.since.elapsed()));
                }
                None => waiting_for.push(session),
            }
        }
        if !waiting_for.is_empty() {
            sighting.waited_for.clone_from(&waiting_for);
            (self.ticker)(Tick::WaitingFor(waiting_for));
        }
        if !blocking.is_empty() {
            (self.ticker)(Tick::Blocking(blocking.clone(), longest));
            let limit = self.limits.max_block_ms;
            let too_long = limit > 0 && longest.as_millis() >= u128::from(limit);
            if too_long && sighting.cancelled_for.is_none() && self.cancel().await {
                sighting.cancelled_for = Some((blocking, longest));
            }
        }
        if self.builds_index {
            self.progress().await;
        }
    }

    async fn cancel(&self) -> bool {
        self.watch
            .query_typed("SELECT pg_catalog.pg_cancel_backend($1)", &[(&self.backend, Type::INT4)])
            .await
            .is_ok()
    }

    /// The view is there since PostgreSQL 12.
    async fn progress(&self) {
        let asked = self
            .watch
            .query_typed(
                "SELECT phase, CASE WHEN blocks_total > 0 THEN blocks_done ELSE tuples_done END,
                        CASE WHEN blocks_total > 0 THEN blocks_total ELSE tuples_total END
                 FROM pg_catalog.pg_stat_progress_create_index WHERE pid = $1",
                &[(&self.backend, Type::INT4)],
            )
            .await;
        if let Some(row) = asked.ok().as_ref().and_then(|rows| rows.first()) {
            let count = |at| row.cell::<i64>(at).map(|count| u64::try_from(count).unwrap_or(0));
            // It ended between, or its figures are not for us to see.
            if let (Ok(doing), Ok(done), Ok(total)) = (row.cell(0), count(1), count(2)) {
                (self.ticker)(Tick::Progress { doing, done, total });
            }
        }
    }
}

/// Reads a row of [`look_query`]: a session, and how long it has waited for us, where it is not we who wait for it.
pub(super) fn session_of(row: &Row) -> Result<(Holder, Option<Duration>)> {
    let waited = Duration::from_millis(u64::try_from(row.cell::<i64>(8)?).unwrap_or(0));
    Ok((holder_of(row)?, row.cell::<bool>(7)?.then_some(waited)))
}

/// The sessions that wait for a lock: the columns of `pg_stat_activity`, and `wanted_since`. Of sessions of others, a role
/// without `pg_read_all_stats` sees only that they are there (their `backend_type` is NULL then), but every role sees the
/// locks that are waited for. Those are looked at only where it is needed: to list them takes all locks of the lock manager.
pub(super) const WAITING: &str =
    "SELECT s.*, NULL::timestamptz AS wanted_since FROM pg_catalog.pg_stat_activity s
      WHERE s.wait_event_type = 'Lock'
    UNION ALL
    SELECT s.*, l.since FROM pg_catalog.pg_stat_activity s JOIN (
        SELECT w.pid, pg_catalog.min((pg_catalog.to_jsonb(w) ->> 'waitstart'::text)::timestamptz) AS since
        FROM pg_catalog.pg_locks w WHERE NOT w.granted
          AND (SELECT pg_catalog.bool_or(h.backend_type IS NULL) FROM pg_catalog.pg_stat_activity h)
        GROUP BY w.pid) l ON l.pid = s.pid
    WHERE s.backend_type IS NULL";

/// How long the session `a` of [`WAITING`] has waited at most, in milliseconds. One that never sent a statement has no start
/// of one: a worker of a subscription has waited no longer than it has been at work, and of one that is just starting
/// nothing is known yet. Of sessions that are not for us to see, servers before PostgreSQL 14 do not tell it: then it is a
/// day, which means since we can have kept it waiting.
pub(super) const WAITED: &str = "coalesce((extract(epoch FROM pg_catalog.clock_timestamp()
        - coalesce(a.query_start, a.state_change, a.wanted_since))::float8 * 1000::float8)::bigint,
    CASE WHEN a.backend_type IS NULL AND pg_catalog.current_setting('server_version_num')::int < 140000
         THEN 86400000::bigint ELSE 0::bigint END)";

/// Operands have the types of the operator that is meant, to the letter: a less exact match could be outdone by an
/// operator that a tenant planted in a schema of the search path.
///
/// `pg_blocking_pids` takes the lock manager's locks, so it is asked only of sessions that wait for a lock.
pub(super) fn look_query() -> String {
    format!(
        "SELECT {HOLDER_COLUMNS}, false, 0::bigint FROM pg_catalog.pg_stat_activity a
         WHERE a.pid = ANY (pg_catalog.pg_blocking_pids($1))
         UNION ALL
         SELECT {HOLDER_COLUMNS}, true, {WAITED}
         FROM (SELECT * FROM ({WAITING}) waiting WHERE pid <> $1 OFFSET 0) a
         WHERE $1 = ANY (pg_catalog.pg_blocking_pids(a.pid))"
    )
}

#[cfg(test)]
mod tests;
