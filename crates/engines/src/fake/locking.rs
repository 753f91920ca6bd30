//! The run lock of the fake.

use std::time::{Duration, Instant};

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Refusal};

use super::faults::FakePlace;
use super::server::Own;
use super::session::FakeSession;
use crate::Tick;

/// How often a lock that somebody else holds is tried again.
const POLL: Duration = Duration::from_millis(2);

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

/// See [`crate::Session::claim`].
pub(super) async fn claim(session: &mut FakeSession, wait: Duration) -> Result<()> {
    session.go_to(FakePlace::Claim)?;
    if session.claim.is_some() {
        return Ok(());
    }
    let began = Instant::now();
    while !try_lock(session) {
        let holder = session.database.server().holder(session.pid);
        if began.elapsed() >= wait {
            let refusal = Refusal::new(Code::LockHeldByOther, "another runner is changing this database");
            return Err(match holder {
                Some(holder) => refusal.cause(format!("the run lock is held by {holder}")),
                None => refusal.cause("the run lock was held until a moment ago"),
            }
            .help("wait for it: --lock-wait 10m")
            .into());
        }
        if let Some(holder) = holder {
            (session.ticker)(Tick::LockedBy(holder));
        }
        if (session.stop)().asked() {
            return Err(Refusal::new(Code::Interrupted, "stopped while waiting for the run lock").into());
        }
        tokio::time::sleep(POLL).await;
    }
    let mut server = session.database.server();
    let own = server.own.get_or_insert_with(Own::default);
    let (seq, hash) = own.journal.last().map(|e| (e.seq, e.hash.clone())).unwrap_or_default();
    session.claim = Some(Claim { epoch: own.newest_epoch() + 1, seq, hash });
    Ok(())
}

fn try_lock(session: &FakeSession) -> bool {
    let mut server = session.database.server();
    let free = server.lock.is_none_or(|pid| pid == session.pid);
    if free {
        server.lock = Some(session.pid);
    }
    free
}

/// See [`crate::Session::release`].
pub(super) fn release(session: &mut FakeSession) -> Result<()> {
    session.alive()?;
    if session.claim.take().is_some() {
        session.database.server().lose_lock(session.pid);
    }
    Ok(())
}
