//! Places where a test may make the process die, fail or hang.
//!
//! `COFFERDAM_FAILPOINT=name=kill` (or `error`, or `hang`) in the environment of a binary built with the feature
//! `failpoints`; `name=kill@3` waits for the third time. Without the feature [`hit`] is an empty function and
//! the names are not in the binary. Every name is in [`FAILPOINTS`]; the crash tests are made from that list.

/// Every failpoint: its name, and what has happened when it is reached.
pub const FAILPOINTS: &[(&str, &str)] = &[
    ("claim.locked", "the session lock is held, the history was not read yet"),
    (
        "ledger.created",
        "the table of a tool is made, in a transaction or by itself, and nothing else was done",
    ),
    ("run.opened", "the run's first rows are committed, nothing of its plan was done"),
    ("atomic.begun", "inside the transaction, before the first statement"),
    ("atomic.statement", "inside the transaction, after a statement"),
    ("atomic.before-commit", "inside the transaction, before COMMIT is sent"),
    ("atomic.commit-sent", "COMMIT is sent, its answer was not read"),
    ("atomic.committed", "COMMIT was answered"),
    ("loose.began", "the step's began row is committed, its statement was not sent"),
    ("loose.sent", "the statement of a step outside a transaction is sent, its answer was not read"),
    ("loose.performed", "the statement was answered, the step's ended row is not written"),
    ("loose.ended", "the step's ended row is committed"),
    ("run.before-done", "all steps ended, the history row is not written"),
    ("run.done", "the run is done, nothing was printed"),
    ("guard.found", "the watch found a breach and wrote it down, the run did not go to RollingBack yet"),
    ("undo.begun", "the run went to RollingBack, nothing was undone"),
    ("undo.step", "one step was undone and journalled"),
    ("undo.before-end", "everything is undone, the run is not RolledBack yet"),
    ("backup.table", "a table is saved, the backup has no manifest"),
    ("backup.before-manifest", "everything is saved and compared, the backup has no manifest"),
    ("backup.sealed", "the backup has its manifest, the journal has no row of it"),
    (
        "backup.beside",
        "rows are restored under another name, nothing is there under their own (MySQL, MariaDB)",
    ),
    (
        "backup.replaced",
        "rows took the places of others, their transaction is not committed (MySQL, MariaDB)",
    ),
    ("backup.restored", "a rollback restored its tables, its run has no row yet"),
    ("park.tried", "the DROP was tried and rolled back, nothing is parked"),
    ("park.moved", "everything is put aside, the transaction is not committed"),
    ("undrop.moved", "the tables are back, their keys and publications are not"),
    ("undrop.done", "everything is back, the transaction is not committed"),
    ("undrop.validated", "one foreign key that came back is validated"),
    ("discard.dropped", "what was parked is dropped for good, the transaction is not committed"),
    (
        "notify.awaited",
        "that a plan waits for a word is written down, the lock was not given back, nobody was told",
    ),
    ("notify.delivered", "a notification was taken by its receiver, which is not written down"),
    ("online.create.before-commit", "the shadow table is made, its transaction is not committed"),
    ("online.create.committed", "the shadow table is there, nothing is captured yet"),
    ("online.capture.before-commit", "the triggers are made, their transaction is not committed"),
    ("online.capture.committed", "the triggers are there, the step's ended row is not written"),
    ("online.slot.made", "the logical slot is there, which is not written down"),
    ("online.slot.logged", "keys from the slot are logged, the slot was not advanced"),
    ("online.copy.cut", "a chunk is cut and written down, nothing of it was copied"),
    ("online.copy.begun", "the transaction of a chunk is open, nothing was copied"),
    ("online.copy.before-commit", "a chunk is copied, its transaction is not committed"),
    ("online.copy.committed", "a chunk's COMMIT was sent"),
    ("online.copy.whole", "all chunks are copied, which is not written down"),
    ("online.index.built", "an index of the shadow table is built"),
    ("online.index.before-commit", "the constraints are added, their transaction is not committed"),
    ("online.index.committed", "indexes and constraints are there, the step's ended row is not written"),
    ("online.apply.before-commit", "logged keys are applied, their transaction is not committed"),
    ("online.apply.committed", "a COMMIT of applied keys was sent"),
    ("online.compare.before-commit", "a chunk was compared, which is not written down"),
    ("online.compare.committed", "a chunk was compared, and that is written down"),
    ("online.compare.proved", "everything is compared and proved, which is not written down"),
    ("online.gate.opened", "the tables may be swapped, which is not written down"),
    ("online.swap.locked", "the table is locked, the last logged keys are not applied"),
    ("online.swap.drained", "the last logged keys are applied under the lock"),
    ("online.swap.before-commit", "the tables are swapped, the transaction is not committed"),
    ("online.swap.committed", "the swap's COMMIT was sent"),
    ("online.settle.validated", "one constraint is validated after the swap"),
    ("online.guard.ended", "the guard on a table that refers to the changed one is gone"),
    ("online.release.released", "the capture has ended, the shadow table is there"),
    ("online.finish.released", "the capture of the new table has ended, the old table is there"),
    ("online.removed", "everything of the change is gone, the step's ended row is not written"),
    ("operator.lease.taken", "the lease is taken, which this replica does not know yet"),
    ("operator.lease.renewed", "the lease is renewed, which this replica does not know yet"),
    ("operator.lease.given-back", "the lease is given back, the process is still there"),
    ("operator.job.create", "a Job is decided on, nothing was sent"),
    ("operator.job.created", "the Job is made, its answer was not read, and nothing of it is in the status"),
    ("operator.job.delete", "a Job is to be removed, nothing was sent"),
    ("operator.job.deleted", "the Job is removed, its answer was not read, and no other one is made"),
    ("operator.job.expire", "the end of a run is in the status, its Jobs have no time to live"),
    ("operator.job.expired", "a Job has a time to live, the answer was not read"),
    ("operator.status.write", "what was decided is carried out, the status does not say so"),
    ("operator.status.written", "the status is written, its answer was not read, and no event tells of it"),
    ("operator.approval.write", "what became of an approval is decided, its status does not say so"),
    ("operator.approval.written", "an approval's status is written, its answer was not read"),
    ("operator.event.write", "the status is written, the event was not sent"),
    ("operator.event.written", "the event is written, its answer was not read"),
    (
        "operator.webhook.secret",
        "the webhook's certificates are written, the configurations do not trust them",
    ),
    ("operator.webhook.first", "the first configuration trusts the new authority, the second does not"),
    ("operator.webhook.both", "both configurations trust the new authority, the answer was not read"),
];

/// Does what the environment asks for at this place: nothing, end the process at once, return `true` (the
/// caller then fails as if the connection broke), or sleep for ever.
#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::atomic::{AtomicU64, Ordering};

    static TIMES: AtomicU64 = AtomicU64::new(0);

    /// What the environment asks for at `name`: the action, and at which time it is due.
    fn asked(name: &str) -> Option<(String, u64)> {
        debug_assert!(super::FAILPOINTS.iter().any(|(n, _)| *n == name), "{name} is not in FAILPOINTS");
        let asked = std::env::var("COFFERDAM_FAILPOINT").ok()?;
        let (at, action) = asked.split_once('=')?;
        if at != name {
            return None;
        }
        let (action, nth) = action.split_once('@').unwrap_or((action, "1"));
        Some((action.to_owned(), nth.parse().unwrap_or(1)))
    }

    /// The next [`hit`] of this name will act. For places that must do something first.
    pub fn due(name: &str) -> bool {
        asked(name).is_some_and(|(_, nth)| TIMES.load(Ordering::SeqCst) + 1 == nth)
    }

    /// A mistake of this name is to be made on purpose, so that a checker can be shown to find it:
    /// `COFFERDAM_PLANTED=name,name`.
    pub fn planted(name: &str) -> bool {
        std::env::var("COFFERDAM_PLANTED").is_ok_and(|names| names.split(',').any(|n| n == name))
    }

    /// Does what the environment asks for at this place: nothing, end the process at once, return `true` (the
    /// caller then fails as if the connection broke), or sleep for ever.
    pub fn hit(name: &str) -> bool {
        let Some((action, nth)) = asked(name) else { return false };
        if TIMES.fetch_add(1, Ordering::SeqCst) + 1 != nth {
            return false;
        }
        if let Ok(path) = std::env::var("COFFERDAM_FAILPOINT_REACHED") {
            let _ = std::fs::write(path, name);
        }
        match action.as_str() {
            // As SIGKILL: no destructors, no flushing, no goodbye to the server.
            "kill" => std::process::abort(),
            "hang" => loop {
                std::thread::sleep(std::time::Duration::from_secs(3600));
            },
            _ => true,
        }
    }
}

#[cfg(feature = "failpoints")]
pub use armed::{due, hit, planted};

/// See the version with the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn planted(_name: &str) -> bool {
    false
}

/// See the version with the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn due(_name: &str) -> bool {
    false
}

/// See the version with the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_name: &str) -> bool {
    false
}
