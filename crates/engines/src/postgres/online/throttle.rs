//! Looking at what the change does to others, and going slower or stopping for it.
//!
//! A signal that cannot be read closes the valve: not to know is no reason to go on at full speed.

use std::time::Duration;

use tokio_postgres::Client;

use cofferdam_core::fault::Result;

use super::disk::{self, Left};
use super::worker;
use super::{Valve, Work};
use crate::postgres::watch::WAITING;

/// How often.
const EVERY: Duration = Duration::from_millis(500);
/// A standby, or a consumer of a logical slot, may be so many bytes of write-ahead log behind.
const BEHIND: i64 = 64 * 1024 * 1024;
/// So many sessions of others may wait for us at a look.
const WAITERS: i64 = 2;

/// The first look, before any work: what was asked between two parts holds for the next one, too.
pub(super) async fn look_once(work: &Work<'_>) -> Result<()> {
    let client = worker::connect(work.session, "throttle").await?;
    work.set_valve(look(work, &client).await?);
    Ok(())
}

/// Looks again and again. Never ends; it is dropped with the part that it looks after.
pub(super) async fn look_after(work: &Work<'_>) -> Result<()> {
    let mut client = None;
    loop {
        let seen = match &client {
            Some(client) => look(work, client).await,
            None => match worker::connect(work.session, "throttle").await {
                Ok(new) => look(work, client.insert(new)).await,
                Err(fault) => Err(fault),
            },
        };
        match seen {
            Ok(valve) => work.set_valve(valve),
            Err(fault) => {
                client = None;
                let why = fault.refusal().map_or_else(|| "the server".to_owned(), |r| r.what.clone());
                work.set_valve(Valve {
                    throttled_by: Some(format!("signals cannot be read: {why}")),
                    ..work.valve()
                });
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn look(work: &Work<'_>, client: &Client) -> Result<Valve> {
    let query = format!(
        "SELECT coalesce(c.paused, false), coalesce(c.cutover, false), coalesce(c.abort, false), c.workers, coalesce(c.full_speed, false),
            (SELECT count(*) FROM pg_catalog.pg_stat_replication WHERE state IS NULL),
            (SELECT coalesce(max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(),
                                                            coalesce(replay_lsn, flush_lsn))), 0)::bigint
               FROM pg_catalog.pg_stat_replication
               WHERE state = 'streaming' AND application_name NOT LIKE 'cofferdam %'),
            (SELECT coalesce(max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), confirmed_flush_lsn)), 0)::bigint
               FROM pg_catalog.pg_replication_slots WHERE slot_type = 'logical' AND active),
            (SELECT count(*) FROM (SELECT * FROM ({WAITING}) waiting OFFSET 0) a
               WHERE a.application_name NOT LIKE 'cofferdam %' AND EXISTS (
                 SELECT FROM pg_catalog.pg_stat_activity b WHERE b.application_name LIKE 'cofferdam %'
                   AND b.pid = ANY(pg_catalog.pg_blocking_pids(a.pid)))),
            (SELECT count(*) FROM (SELECT FROM {log} LIMIT 1000000) l),
            (SELECT count(*) FROM {quarantine})
         FROM (SELECT 1) one LEFT JOIN cofferdam.control c ON c.id = {id}",
        log = work.flow.log,
        quarantine = work.flow.quarantine,
        id = super::flow::literal(&work.change.id())?,
    );
    let found = worker::rows(&worker::run(client, &query, "reading the server's state").await?)?;
    let row = found.into_iter().next().unwrap_or_default();
    let yes = |n: usize| row.get(n).cloned().flatten().as_deref() == Some("t");
    let number = |n: usize| row.get(n).cloned().flatten().and_then(|v| v.parse::<i64>().ok());
    let (mut throttled_by, no_disk) = match disk::left(client, work.print.table_oid).await? {
        Left::Enough => (None, None),
        Left::Low(why) => (Some(why), None),
        Left::Out(why) => (Some(why.clone()), Some(why)),
    };
    if number(5).unwrap_or(1) > 0 {
        throttled_by =
            Some("how far the standbys are cannot be read: GRANT pg_monitor to this role".to_owned());
    } else if number(6).unwrap_or(i64::MAX) > BEHIND {
        throttled_by = Some(format!("a standby is {} MiB behind", number(6).unwrap_or(0) >> 20));
    } else if number(7).unwrap_or(i64::MAX) > BEHIND * 4 {
        throttled_by = Some(format!("a logical slot is {} MiB behind", number(7).unwrap_or(0) >> 20));
    } else if number(8).unwrap_or(i64::MAX) > WAITERS {
        throttled_by = Some(format!("{} sessions wait for us", number(8).unwrap_or(0)));
    }
    let valve = Valve {
        paused: yes(0),
        cutover: yes(1),
        abort: yes(2),
        workers: number(3).and_then(|n| usize::try_from(n).ok()),
        full_speed: yes(4),
        throttled_by,
        no_disk,
        lag: number(9).and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
        quarantined: number(10).and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
    };
    let progress = work.progress(&valve);
    let note = format!(
        "UPDATE cofferdam.online SET progress = {}, updated_at = pg_catalog.now() WHERE id = {} AND fence = {}",
        super::flow::literal(&progress)?,
        super::flow::literal(&work.change.id())?,
        work.epoch
    );
    worker::run(client, &note, "writing progress").await?;
    Ok(valve)
}
