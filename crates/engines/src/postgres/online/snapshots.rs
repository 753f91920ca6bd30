//! Transactions that may still see the tables as they were: they are waited for, because the server would show them
//! an empty table, or pass over their writes, without an error.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use super::flow::literal;
use super::{Work, apply, guard, worker};
use crate::postgres::{errors, watch};
use crate::{Holder, Tick};

const DOING: &str = "looking for old snapshots";
/// How long one try waits for snapshots from before a swap.
const BEFORE_SWAP: Duration = Duration::from_secs(10);

/// A transaction of a session `a`. Where this role may not see when it began, the session stands for it.
const TRANSACTION: &str = "a.pid || ' ' || coalesce(extract(epoch FROM a.xact_start)::text, '')";

/// The transactions of this database that have a snapshot, as an array. Only these can have one from before now: that
/// the horizon (`backend_xmin`) of a later one is as old means no more than that somebody who writes is as old.
pub(super) fn at_work() -> String {
    format!(
        "ARRAY(SELECT {TRANSACTION} FROM pg_catalog.pg_stat_activity a
               WHERE a.datname = pg_catalog.current_database() AND a.backend_xmin IS NOT NULL)"
    )
}

/// Waits until nobody has a snapshot from before the last row was copied: such a transaction would find the new
/// table empty, without an error.
pub(super) async fn from_before_the_copy_end(work: &Work<'_>, client: &Client, left: usize) -> Result<()> {
    let id = literal(&work.change.id())?;
    // Ours keep to what they are told; they wait for nobody here.
    let older_than = format!(
        "AND a.application_name NOT LIKE 'cofferdam %' AND EXISTS (SELECT FROM cofferdam.online WHERE id = {id}
            AND pg_catalog.age(a.backend_xmin) > pg_catalog.age(copied_xid::xid)
            AND (copied_beside IS NULL OR {TRANSACTION} = ANY(copied_beside)))"
    );
    loop {
        let old = holders(client, &older_than).await?;
        if old.is_empty() {
            work.blocked_by(None);
            return Ok(());
        }
        work.doing("waiting for transactions that began before the copy ended", 0);
        work.blocked_by(old.first());
        (work.session.ticker)(Tick::WaitingFor(old));
        work.check()?;
        apply::drain(work, client, left).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Waits until no transaction is left that may have a snapshot from before the swap, or the swap back: for as long as
/// there is one, the [`guard`] must refuse its writes. One that stays is named, and the guard stays with it.
pub(super) async fn from_before_the_swap(client: &Client) -> Result<()> {
    if !guard::is_there(client).await? {
        return Ok(());
    }
    let now = format!("SELECT pg_catalog.txid_current() % 4294967296, {}", at_work());
    let now = worker::rows(&worker::run(client, &now, DOING).await?)?.into_iter().next().unwrap_or_default();
    let cell = |n: usize| now.get(n).cloned().flatten().unwrap_or_default();
    let older_than = format!(
        "AND pg_catalog.age(a.backend_xmin) >= pg_catalog.age({}::xid) AND {TRANSACTION} = ANY({}::text[])",
        literal(&cell(0))?,
        literal(&cell(1))?
    );
    let began = Instant::now();
    loop {
        let old = holders(client, &older_than).await?;
        if old.is_empty() {
            return Ok(());
        }
        if began.elapsed() > BEFORE_SWAP {
            let refusal =
                Refusal::new(Code::LockNotObtained, "transactions from before the swap are still open")
                    .cause("what they write would pass over rows, were it no longer refused")
                    .help("end them, or wait, and run the same command again");
            let why = old.iter().fold(refusal, |refusal, holder| refusal.note(format!("open: {holder}")));
            return Err(Fault::Again { after: Duration::from_secs(1), why: Box::new(why) });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Who has a snapshot in this database that is old in this sense; a condition on the session `a`.
async fn holders(client: &Client, older_than: &str) -> Result<Vec<Holder>> {
    let query = format!(
        "SELECT {} FROM pg_catalog.pg_stat_activity a WHERE a.datname = pg_catalog.current_database()
         AND a.backend_xmin IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid() {older_than}",
        watch::HOLDER_COLUMNS
    );
    let rows = client.query_typed(&query, &[]).await.map_err(|e| errors::fault(e, DOING))?;
    rows.iter().map(watch::holder_of).collect()
}
