//! The look-out while a statement runs: whom it waits for, and who waits for it.
//!
//! It sits on a connection of its own. When sessions of others queue behind our statement for longer than its limit, it
//! cancels ours. MySQL tells who holds a table in `performance_schema.metadata_locks`; MariaDB only where its plugin
//! `metadata_lock_info` is there, else the sessions with an open transaction are named, one of which it is.

use std::time::{Duration, Instant};

use mysql_async::{Error, Row};

use cofferdam_core::Limits;

use super::Flavour;
use super::link::{self, Link};
use crate::{Holder, StopAsked, Stopping, Tick, Ticker};

/// First look, and every look after it. Most statements end before the first one.
const LOOK: Duration = Duration::from_millis(150);
/// How long a statement may still run after somebody asked to stop soon.
const GRACE: Duration = Duration::from_secs(5);

/// What the look-out saw.
#[derive(Debug, Default)]
pub(super) struct Sighting {
    /// Whom our statement waited for, at the last look that found any.
    pub(super) waited_for: Vec<Holder>,
    /// We cancelled our statement because these queued behind it for so long.
    pub(super) cancelled_for: Option<(Vec<Holder>, Duration)>,
    /// We cancelled our statement because a stop was asked for.
    pub(super) stopped: bool,
    /// When the first look saw somebody wait.
    since: Option<Instant>,
}

/// The look-out of one session.
pub(super) struct Lookout<'a> {
    pub(super) watch: &'a mut Link,
    /// The connection whose statement is watched.
    pub(super) id: u32,
    pub(super) flavour: Flavour,
    pub(super) limits: Limits,
    pub(super) ticker: &'a Ticker,
    pub(super) stop: &'a StopAsked,
    /// Since when our transaction, or our statement outside of one, may have been holding locks.
    pub(super) since: Instant,
}

impl Lookout<'_> {
    /// Runs `work` to its end and looks about meanwhile. A look that fails is skipped: the statement's own
    /// `lock_wait_timeout` still bounds its waiting.
    pub(super) async fn over<T>(
        mut self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> (Result<T, Error>, Sighting) {
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

    async fn look(&mut self, sighting: &mut Sighting) {
        let Ok(around) = around(self.watch, self.id, self.flavour).await else { return };
        if !around.before.is_empty() {
            sighting.waited_for.clone_from(&around.before);
            (self.ticker)(Tick::WaitingFor(around.before));
        }
        if around.behind.is_empty() {
            sighting.since = None;
            return;
        }
        // The server counts whole seconds only.
        let since = *sighting.since.get_or_insert_with(Instant::now);
        let waited = since.elapsed().min(self.since.elapsed());
        (self.ticker)(Tick::Blocking(around.behind.clone(), waited));
        let limit = self.limits.max_block_ms;
        let too_long = limit > 0 && waited.as_millis() >= u128::from(limit);
        if too_long && sighting.cancelled_for.is_none() && self.cancel().await {
            sighting.cancelled_for = Some((around.behind, waited));
        }
    }

    async fn cancel(&mut self) -> bool {
        self.watch.run(&format!("KILL QUERY {}", self.id)).await.is_ok()
    }
}

/// Who stands before a connection's statement, and who behind it.
#[derive(Default)]
pub(super) struct Around {
    pub(super) before: Vec<Holder>,
    pub(super) behind: Vec<Holder>,
}

pub(super) async fn around(watch: &mut Link, id: u32, flavour: Flavour) -> Result<Around, Error> {
    let ids = |rows: Vec<Row>| -> Vec<u32> {
        let all = rows.iter().filter_map(|row| link::number(row, 0));
        let mut all: Vec<u32> = all.filter_map(|id| u32::try_from(id).ok()).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let own = watch.id;
    let mut found = Around::default();
    for (behind, queries) in [(false, before_sql(flavour)), (true, behind_sql(flavour))] {
        for sql in queries {
            // Each may be forbidden, or not there.
            let rows = watch.rows(sql, vec![id.into()]).await;
            let mut others = ids(match rows {
                Ok(rows) => rows,
                Err(Error::Server(_)) => continue,
                Err(lost) => return Err(lost),
            });
            others.retain(|other| *other != id && *other != own);
            if others.is_empty() {
                continue;
            }
            let seen = holders(watch, &others).await?;
            let place = if behind { &mut found.behind } else { &mut found.before };
            place.extend(seen);
            break;
        }
    }
    Ok(found)
}

/// Each is asked until one has an answer: tables first, then rows, then who it may be.
fn before_sql(flavour: Flavour) -> &'static [&'static str] {
    match flavour {
        Flavour::MySql => &[
            "SELECT h.PROCESSLIST_ID FROM performance_schema.threads me
             JOIN performance_schema.metadata_locks w ON w.OWNER_THREAD_ID = me.THREAD_ID AND w.LOCK_STATUS = 'PENDING'
             JOIN performance_schema.metadata_locks g ON g.OBJECT_TYPE = w.OBJECT_TYPE
              AND g.OBJECT_SCHEMA <=> w.OBJECT_SCHEMA AND g.OBJECT_NAME <=> w.OBJECT_NAME
              AND g.LOCK_STATUS = 'GRANTED' AND g.OWNER_THREAD_ID <> w.OWNER_THREAD_ID
             JOIN performance_schema.threads h ON h.THREAD_ID = g.OWNER_THREAD_ID
             WHERE me.PROCESSLIST_ID = ?",
            "SELECT h.PROCESSLIST_ID FROM performance_schema.threads me
             JOIN performance_schema.data_lock_waits w ON w.REQUESTING_THREAD_ID = me.THREAD_ID
             JOIN performance_schema.threads h ON h.THREAD_ID = w.BLOCKING_THREAD_ID
             WHERE me.PROCESSLIST_ID = ?",
        ],
        Flavour::MariaDb => &[
            "SELECT m.THREAD_ID FROM information_schema.PROCESSLIST me
             JOIN information_schema.METADATA_LOCK_INFO m ON m.TABLE_SCHEMA = me.DB
              AND m.LOCK_TYPE = 'Table metadata lock' AND LOCATE(m.TABLE_NAME, me.INFO) > 0
             WHERE me.ID = ? AND me.STATE LIKE 'Waiting for table metadata lock%'",
            "SELECT b.trx_mysql_thread_id FROM information_schema.INNODB_LOCK_WAITS w
             JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id
             JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id
             WHERE r.trx_mysql_thread_id = ?",
            "SELECT t.trx_mysql_thread_id FROM information_schema.INNODB_TRX t, information_schema.PROCESSLIST me
             WHERE me.ID = ? AND me.STATE LIKE 'Waiting for table metadata lock%'",
        ],
    }
}

fn behind_sql(flavour: Flavour) -> &'static [&'static str] {
    match flavour {
        Flavour::MySql => &[
            "SELECT h.PROCESSLIST_ID FROM performance_schema.threads me
             JOIN performance_schema.metadata_locks o ON o.OWNER_THREAD_ID = me.THREAD_ID
             JOIN performance_schema.metadata_locks w ON w.OBJECT_TYPE = o.OBJECT_TYPE
              AND w.OBJECT_SCHEMA <=> o.OBJECT_SCHEMA AND w.OBJECT_NAME <=> o.OBJECT_NAME
              AND w.LOCK_STATUS = 'PENDING' AND w.OWNER_THREAD_ID <> o.OWNER_THREAD_ID
             JOIN performance_schema.threads h ON h.THREAD_ID = w.OWNER_THREAD_ID
             WHERE me.PROCESSLIST_ID = ? AND o.OBJECT_TYPE = 'TABLE'",
            "SELECT h.PROCESSLIST_ID FROM performance_schema.threads me
             JOIN performance_schema.data_lock_waits w ON w.BLOCKING_THREAD_ID = me.THREAD_ID
             JOIN performance_schema.threads h ON h.THREAD_ID = w.REQUESTING_THREAD_ID
             WHERE me.PROCESSLIST_ID = ?",
        ],
        Flavour::MariaDb => &[
            // Who waits for a table of the same database since our statement began; which one, it does not say.
            "SELECT o.ID FROM information_schema.PROCESSLIST me JOIN information_schema.PROCESSLIST o
              ON o.DB = me.DB AND o.STATE LIKE 'Waiting for table metadata lock%' AND o.TIME_MS < me.TIME_MS
             WHERE me.ID = ? AND me.COMMAND <> 'Sleep'",
            "SELECT r.trx_mysql_thread_id FROM information_schema.INNODB_LOCK_WAITS w
             JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id
             JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id
             WHERE b.trx_mysql_thread_id = ?",
        ],
    }
}

/// What the server tells of these connections; those of others only to who has the right PROCESS.
pub(super) async fn holders(link: &mut Link, ids: &[u32]) -> Result<Vec<Holder>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let list = ids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT ID, USER, HOST, COMMAND, TIME, STATE, LEFT(COALESCE(INFO, ''), 400)
         FROM information_schema.PROCESSLIST WHERE ID IN ({list})"
    );
    let rows = link.rows(&sql, vec![]).await?;
    Ok(rows.iter().map(holder_of).collect())
}

fn holder_of(row: &Row) -> Holder {
    let text = |at| link::text(row, at).unwrap_or_default();
    let state = match (text(3).as_str(), text(5)) {
        ("Sleep", _) => "idle".to_owned(),
        (_, state) if state.is_empty() => "active".to_owned(),
        (_, state) => format!("active ({state})"),
    };
    let statement = text(6).split_whitespace().collect::<Vec<_>>().join(" ");
    Holder {
        pid: link::number(row, 0).and_then(|id| i32::try_from(id).ok()).unwrap_or_default(),
        user: text(1),
        application: String::new(),
        client: text(2),
        state,
        seconds: link::number(row, 4).and_then(|s| u64::try_from(s).ok()).unwrap_or(0),
        statement: statement.chars().take(120).collect(),
    }
}
