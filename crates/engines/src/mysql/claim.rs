//! The run lock: who may change this database, and until when.
//!
//! `GET_LOCK` is of the whole server, so the name of the lock has a hash of the database's name in it. It ends with its
//! session; one whose client died keeps it until the server has ended its statement.

use std::time::{Duration, Instant};

use mysql_async::Value;

use cofferdam_core::fault::Result;
use cofferdam_core::plan::sha256_hex;
use cofferdam_core::{Code, Fault, Refusal, failpoint};

use super::link::{self, Link};
use super::session::MySqlSession;
use super::tables::{self, Tables};
use super::{connect, errors, ledger, names, watch};
use crate::{Holder, Tick, held_by_other};

/// How often a lock that somebody else holds is tried again. It is never waited for inside the server.
pub(super) const POLL: Duration = Duration::from_millis(150);
/// How long a session that was reset tries to have its lock back: others let go of it at once.
const BACK: Duration = Duration::from_secs(10);

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

/// The name of a lock for this database; at most 64 characters.
pub(super) fn lock_name(database: &str, what: &str) -> String {
    format!("cofferdam_{}", &sha256_hex(format!("{what}\0{database}").as_bytes())[..40])
}

pub(super) async fn claim(session: &mut MySqlSession, wait: Duration) -> Result<()> {
    if session.claim.is_some() {
        return Ok(());
    }
    refuse_pooler(session).await?;
    introduce(session).await?;
    let began = Instant::now();
    while !try_run_lock(session).await? {
        let holder = holder(session).await?;
        if began.elapsed() >= wait {
            return Err(held_by_other(holder.as_ref(), session.link.flavour.id()).into());
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
    let found = begin(session).await;
    if found.is_err() {
        unlock(&mut session.link, &session.lock).await?;
    }
    session.claim = Some(found?);
    // The tool's lock after ours: whoever waits for it holds back no other runner that could not go on either.
    let left = wait.saturating_sub(began.elapsed());
    if let Err(fault) = ledger::begin(session, left).await {
        let _ = release(session).await;
        return Err(fault);
    }
    Ok(())
}

/// What is true of the journal once the lock is ours, and that it is.
async fn begin(session: &mut MySqlSession) -> Result<Claim> {
    if !session.installed().await? {
        session.tables.ensure(&mut session.link).await?;
        session.installed = true;
    }
    tables::refuse_other_engines(&mut session.link, &session.database).await?;
    head(&mut session.link, &session.tables).await
}

/// Writes down who this connection is, before it tries to take the lock: from the moment that it has it, others can tell
/// who it is. Those of long ago go.
async fn introduce(session: &mut MySqlSession) -> Result<()> {
    let doing = "writing down who wants the run lock";
    if !session.installed().await? {
        let make = session.tables.create_claim();
        session.link.run(&make).await.map_err(|e| errors::fault(e, doing))?;
    }
    let (tables, link) = (&session.tables, &mut session.link);
    let old = format!("DELETE FROM {} WHERE at < UTC_TIMESTAMP(6) - INTERVAL 7 DAY", tables.claim);
    link.rows(&old, vec![]).await.map_err(|e| errors::fault(e, doing))?;
    let sql = format!(
        "INSERT INTO {} (connection, application, `by`, at) VALUES (?, ?, ?, UTC_TIMESTAMP(6))
         ON DUPLICATE KEY UPDATE application = VALUES(application), `by` = VALUES(`by`), at = VALUES(at)",
        tables.claim
    );
    let values = vec![link.id.into(), session.application.as_str().into(), session.who.as_str().into()];
    link.rows(&sql, values).await.map(drop).map_err(|e| errors::fault(e, doing))
}

async fn head(link: &mut Link, tables: &Tables) -> Result<Claim> {
    let doing = "reading the end of the journal";
    let last = format!("SELECT epoch, seq, hash FROM {} ORDER BY seq DESC LIMIT 1", tables.journal);
    let last = link.rows(&last, vec![]).await.map_err(|e| errors::fault(e, doing))?;
    let open = format!("SELECT MAX(epoch) FROM {} WHERE ended_at IS NULL", tables.run);
    let open = link.rows(&open, vec![]).await.map_err(|e| errors::fault(e, doing))?;
    let of_open = open.first().and_then(|row| link::number(row, 0)).unwrap_or(0);
    let last = last.first();
    Ok(Claim {
        epoch: last.and_then(|row| link::number(row, 0)).unwrap_or(0).max(of_open) + 1,
        seq: last.and_then(|row| link::number(row, 1)).unwrap_or(0),
        hash: last.and_then(|row| link::text(row, 2)).unwrap_or_default(),
    })
}

pub(super) async fn release(session: &mut MySqlSession) -> Result<()> {
    if session.claim.take().is_some() {
        ledger::end(session).await?;
        unlock(&mut session.link, &session.lock).await?;
    }
    Ok(())
}

/// Everything that scripts set is as it was. That costs the session its locks, so meanwhile the second connection keeps
/// others from the run lock: who finds its lock taken lets go of the run lock again.
pub(super) async fn reset(session: &mut MySqlSession) -> Result<()> {
    if session.claim.is_none() {
        return connect::reset(&mut session.link, &session.database).await;
    }
    let rows = ledger::before_reset(session).await?;
    let Some(watch) = session.watch.as_mut() else {
        return Err(Fault::Bug("the run lock is held without a look-out".into()));
    };
    let guard = &session.guard;
    if !try_lock(watch, guard).await? {
        return Err(Fault::Bug("another session resets under our run lock".into()));
    }
    let back = async {
        connect::reset(&mut session.link, &session.database).await?;
        let began = Instant::now();
        while !try_lock(&mut session.link, &session.lock).await? {
            if began.elapsed() > BACK {
                session.claim = None;
                let holder = watch_holder(&mut session.link, &session.tables, &session.lock).await?;
                return Err(held_by_other(holder.as_ref(), session.link.flavour.id()).into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    };
    let back: Result<()> = back.await;
    unlock(watch, guard).await?;
    back?;
    let again = ledger::locked_again(session, &rows, BACK).await;
    if again.is_err() {
        let _ = release(session).await;
    }
    again
}

/// The run lock, unless its owner is just being reset.
async fn try_run_lock(session: &mut MySqlSession) -> Result<bool> {
    if !try_lock(&mut session.link, &session.lock).await? {
        return Ok(false);
    }
    if lock_owner(&mut session.link, &session.guard).await?.is_none() {
        return Ok(true);
    }
    unlock(&mut session.link, &session.lock).await?;
    Ok(false)
}

pub(super) async fn try_lock(link: &mut Link, name: &str) -> Result<bool> {
    let rows = link.rows("SELECT GET_LOCK(?, 0)", vec![name.into()]).await;
    let rows = rows.map_err(|e| errors::fault(e, "taking a lock"))?;
    Ok(rows.first().and_then(|row| link::number(row, 0)) == Some(1))
}

pub(super) async fn unlock(link: &mut Link, name: &str) -> Result<()> {
    let rows = link.rows("SELECT RELEASE_LOCK(?)", vec![name.into()]).await;
    rows.map(drop).map_err(|e| errors::fault(e, "giving back a lock"))
}

/// The connection that has this lock.
pub(super) async fn lock_owner(link: &mut Link, name: &str) -> Result<Option<u32>> {
    let rows = link.rows("SELECT IS_USED_LOCK(?)", vec![name.into()]).await;
    let rows = rows.map_err(|e| errors::fault(e, "looking for the holder of a lock"))?;
    Ok(rows.first().and_then(|row| link::number(row, 0)).and_then(|id| u32::try_from(id).ok()))
}

/// Who holds the run lock, if it is another session.
pub(super) async fn holder(session: &mut MySqlSession) -> Result<Option<Holder>> {
    watch_holder(&mut session.link, &session.tables, &session.lock).await
}

async fn watch_holder(link: &mut Link, tables: &Tables, lock: &str) -> Result<Option<Holder>> {
    let Some(id) = lock_owner(link, lock).await?.filter(|id| *id != link.id) else { return Ok(None) };
    let sql = format!("SELECT application, `by` FROM {} WHERE connection = ?", tables.claim);
    let said = super::reading::read(link, &sql, vec![id.into()]).await?;
    let said = said.first().map(|row| (link::text(row, 0), link::text(row, 1)));
    let (application, by) = said.unwrap_or_default();
    let seen = watch::holders(link, &[id]).await.map_err(|e| errors::fault(e, "asking who holds a lock"))?;
    let mut holder = seen.into_iter().next().unwrap_or_else(|| Holder {
        pid: i32::try_from(id).unwrap_or_default(),
        user: by.unwrap_or_default(),
        application: String::new(),
        client: String::new(),
        state: "not known".into(),
        seconds: 0,
        statement: String::new(),
    });
    holder.application = application.unwrap_or_default();
    Ok(Some(holder))
}

/// Refuses a proxy that serves two connections by one, through which a lock excludes nobody. The second connection
/// stays, and watches.
async fn refuse_pooler(session: &mut MySqlSession) -> Result<()> {
    if pooled(session).await? {
        return Err(Refusal::new(
            Code::PoolerNotSupported,
            "the address is that of a proxy that shares connections",
        )
        .cause("two connections were served by one, so the run lock would exclude nobody")
        .help("give the server's own host and port in --url")
        .into());
    }
    Ok(())
}

/// Whether the connection is another one than it says, or changes while a second one is in a transaction.
pub(super) async fn pooled(session: &mut MySqlSession) -> Result<bool> {
    session.second().await?;
    let Some(watch) = session.watch.as_mut() else { return Err(Fault::Bug("no second connection".into())) };
    let doing = "looking for a proxy";
    watch.run("BEGIN").await.map_err(|e| errors::fault(e, doing))?;
    let theirs = own_id(watch).await?;
    let mut ours = Vec::new();
    for _ in 0..3 {
        ours.push(own_id(&mut session.link).await?);
    }
    watch.run("ROLLBACK").await.map_err(|e| errors::fault(e, doing))?;
    let own = Some(i64::from(session.link.id));
    Ok(theirs == own || theirs != Some(i64::from(watch.id)) || ours.iter().any(|id| *id != own))
}

async fn own_id(link: &mut Link) -> Result<Option<i64>> {
    let rows = link.rows("SELECT CONNECTION_ID()", Vec::<Value>::new()).await;
    let rows = rows.map_err(|e| errors::fault(e, "asking for the connection's number"))?;
    Ok(rows.first().and_then(|row| link::number(row, 0)))
}

/// The names under which the locks of a database are: the run lock, and the one that stands in for it.
pub(super) async fn lock_names(link: &mut Link, database: &str) -> Result<(String, String)> {
    let rows = link.rows("SELECT @@lower_case_table_names", vec![]).await;
    let rows = rows.map_err(|e| errors::fault(e, "asking how names are written"))?;
    let folded = match rows.first().and_then(|row| link::number(row, 0)) {
        Some(0) => database.to_owned(),
        _ => database.to_lowercase(),
    };
    // What the server would not take as a name of a database is none.
    names::quoted(&folded)?;
    Ok((lock_name(&folded, "run"), lock_name(&folded, "reset")))
}

/// Cofferdam's own tables are there.
pub(super) async fn installed(session: &mut MySqlSession) -> Result<bool> {
    if !session.installed {
        session.installed = tables::exist(&mut session.link, &session.database).await?;
    }
    Ok(session.installed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_locks_fit_and_differ() {
        let names: Vec<String> =
            [("shop", "run"), ("shop", "reset"), ("shop2", "run"), ("é".repeat(64).as_str(), "run")]
                .map(|(database, what)| lock_name(database, what))
                .into();
        assert!(names.iter().all(|name| name.len() <= 64 && name.is_ascii()));
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    }
}
