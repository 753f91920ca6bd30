//! The run lock: who may change this database, and until when.

use std::time::{Duration, Instant};

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Name, Refusal, failpoint};

use super::cells::{AnswerCells, RowCells};
use super::session::PostgresSession;
use super::{connect, errors, ledger, schema};
use crate::{Holder, Tick, held_by_other};

/// The key of the run lock: the bytes of "cofferda" as a number.
///
/// It is the same in every database on purpose: PostgreSQL keeps advisory locks apart by database, so the lock is
/// of server and database already, and a key made from what the role may or may not read (the system identifier)
/// could differ between two runners.
const RUN_LOCK: i64 = i64::from_be_bytes(*b"cofferda");

/// How often a lock that somebody else holds is tried again. It is never waited for inside the server: a waiter
/// in `pg_advisory_lock` holds a snapshot, and the holder's CREATE INDEX CONCURRENTLY would deadlock with it.
pub(super) const POLL: Duration = Duration::from_millis(150);

/// A server answers what its process number is at once. Longer than this it takes only where no backend is free.
const POOL_WAIT: Duration = Duration::from_secs(5);

/// What a session that holds the lock may write with.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    /// Our fencing number.
    pub(super) epoch: i64,
    /// The last row of the journal.
    pub(super) seq: i64,
    /// Its hash.
    pub(super) hash: String,
}

pub(super) async fn claim(session: &mut PostgresSession, wait: Duration) -> Result<()> {
    if session.claim.is_some() {
        return Ok(());
    }
    refuse_pooler(session).await?;
    let began = Instant::now();
    while !try_lock(&session.client, RUN_LOCK).await? {
        let holder = holder(&session.client, RUN_LOCK).await?;
        if began.elapsed() >= wait {
            return Err(held_by_other(holder.as_ref(), "postgresql").into());
        }
        if let Some(holder) = holder {
            (session.ticker)(Tick::LockedBy(holder));
        }
        if (session.stop)().asked() {
            return Err(Refusal::new(Code::Interrupted, "stopped while waiting for the run lock").into());
        }
        tokio::time::sleep(POLL).await;
    }
    if failpoint::hit("claim.locked") {
        return Err(errors::lost("failpoint claim.locked"));
    }
    if !session.installed().await? {
        schema::ensure(&session.client).await?;
        session.installed = true;
    }
    let head = session
        .client
        .query_typed(
            "SELECT greatest(j.epoch, (SELECT max(epoch) FROM cofferdam.run WHERE ended_at IS NULL), 0),
                    j.seq, j.hash
             FROM (SELECT 1) one LEFT JOIN
                  (SELECT epoch, seq, hash FROM cofferdam.journal ORDER BY seq DESC LIMIT 1) j ON true",
            &[],
        )
        .await
        .map_err(|e| errors::fault(e, "reading the end of the journal"))?;
    let Some(head) = head.first() else {
        return Err(Fault::Bug("the head of the journal came back empty".into()));
    };
    session.claim = Some(Claim {
        epoch: head.cell::<i64>(0)? + 1,
        seq: head.cell::<Option<i64>>(1)?.unwrap_or(0),
        hash: head.cell::<Option<String>>(2)?.unwrap_or_default(),
    });
    // The tool's lock after ours: whoever waits for it holds back no other runner that could not go on either.
    let left = wait.saturating_sub(began.elapsed());
    if let Err(fault) = ledger::begin(session, left).await {
        let _ = release(session).await;
        return Err(fault);
    }
    Ok(())
}

pub(super) async fn release(session: &mut PostgresSession) -> Result<()> {
    if session.claim.take().is_some() {
        ledger::end(session).await?;
        session
            .client
            .query_typed("SELECT pg_catalog.pg_advisory_unlock($1)", &[(&RUN_LOCK, Type::INT8)])
            .await
            .map_err(|e| errors::fault(e, "giving back the run lock"))?;
    }
    Ok(())
}

pub(super) async fn try_lock(client: &Client, key: i64) -> Result<bool> {
    let rows = client
        .query_typed("SELECT pg_catalog.pg_try_advisory_lock($1)", &[(&key, Type::INT8)])
        .await
        .map_err(|e| errors::fault(e, "taking an advisory lock"))?;
    Ok(rows.first_cell()?.unwrap_or(false))
}

/// Who holds the run lock. After a crash this is the orphaned backend that still runs its last statement.
pub(super) async fn run_lock_holder(client: &Client) -> Result<Option<Holder>> {
    holder(client, RUN_LOCK).await
}

/// Who holds the advisory lock with this key.
pub(super) async fn holder(client: &Client, key: i64) -> Result<Option<Holder>> {
    let rows = client
        .query_typed(
            &format!(
                "SELECT {} FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
                 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                   AND l.database = (SELECT oid FROM pg_catalog.pg_database
                                     WHERE datname = pg_catalog.current_database())
                   AND (l.classid::bigint << 32) | l.objid::bigint = $1
                   AND a.pid <> pg_catalog.pg_backend_pid()",
                super::watch::HOLDER_COLUMNS
            ),
            &[(&key, Type::INT8)],
        )
        .await
        .map_err(|e| errors::fault(e, "looking for the holder of a lock"))?;
    rows.first().map(super::watch::holder_of).transpose()
}

/// Who holds a lock on a table that keeps others from reading it.
pub(super) async fn table_holder(client: &Client, table: &Name) -> Result<Option<Holder>> {
    let sql = table.to_sql()?;
    let rows = client
        .query_typed(
            &format!(
                "SELECT {} FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
                 WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock'
                   AND l.relation = pg_catalog.to_regclass($1)::pg_catalog.oid
                   AND l.database = (SELECT oid FROM pg_catalog.pg_database
                                     WHERE datname = pg_catalog.current_database())
                   AND a.pid <> pg_catalog.pg_backend_pid()",
                super::watch::HOLDER_COLUMNS
            ),
            &[(&sql, Type::TEXT)],
        )
        .await
        .map_err(|e| errors::fault(e, "looking for the holder of a lock"))?;
    rows.first().map(super::watch::holder_of).transpose()
}

/// Refuses a pooler in transaction or statement mode, through which a session lock excludes nobody. The second
/// connection stays as the watcher.
async fn refuse_pooler(session: &mut PostgresSession) -> Result<()> {
    let found = look_for_pooler(session).await?;
    if found.pooled {
        return Err(Refusal::new(
            Code::PoolerNotSupported,
            "the address is that of a connection pooler in transaction mode",
        )
        .cause("two connections were served by one backend, so the run lock would exclude nobody")
        .help("give the server's own host and port in --url (or a pooler in session mode)")
        .into());
    }
    session.backend = found.backend;
    session.watch = Some(found.second);
    Ok(())
}

/// What was found of a pooler.
pub(super) struct Between {
    /// There is one that would break the run lock.
    pub(super) pooled: bool,
    backend: i32,
    second: Client,
}

/// A second connection opens a transaction, which ties it to a backend. Through such a pooler either it is given
/// the backend of our first connection, or our first connection is given another one than before; with a direct
/// connection, or a pooler in session mode, neither can happen.
pub(super) async fn look_for_pooler(session: &PostgresSession) -> Result<Between> {
    let doing = "looking for a connection pooler";
    let ours = backend(&session.client).await?;
    let second = connect::connect(&session.watch_options()).await?.client;
    let (begun, theirs) = futures::join!(second.batch_execute("BEGIN"), backend(&second));
    begun.map_err(|e| errors::fault(e, doing))?;
    let theirs = theirs?;
    // With a pool of one the answer would come when the second connection is done, or never.
    let during = match tokio::time::timeout(POOL_WAIT, backend(&session.client)).await {
        Ok(during) => Some(during?),
        Err(_) => None,
    };
    second.batch_execute("ROLLBACK").await.map_err(|e| errors::fault(e, doing))?;
    let mut pooled = theirs == ours || during != Some(ours);
    for _ in 0..2 {
        pooled = pooled || backend(&session.client).await? != ours;
    }
    Ok(Between { pooled, backend: ours, second })
}

async fn backend(client: &Client) -> Result<i32> {
    let rows = client
        .query_typed("SELECT pg_catalog.pg_backend_pid()", &[])
        .await
        .map_err(|e| errors::fault(e, "asking for the backend's number"))?;
    Ok(rows.first_cell()?.unwrap_or(0))
}
