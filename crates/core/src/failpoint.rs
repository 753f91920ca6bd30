//! Places where a test may make the process die, fail or hang.
//!
//! `COFFERDAM_FAILPOINT=name=kill` (or `error`, or `hang`) in the environment of a binary built with the feature
//! `failpoints`; `name=kill@3` waits for the third time. Without the feature [`hit`] is an empty function and
//! the names are not in the binary. Every name is in [`FAILPOINTS`]; the crash tests are made from that list.

/// Every failpoint: its name, and what has happened when it is reached.
pub const FAILPOINTS: &[(&str, &str)] = &[
    ("claim.locked", "the session lock is held, the history was not read yet"),
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
    ("undo.begun", "the run went to RollingBack, nothing was undone"),
    ("undo.step", "one step was undone and journalled"),
    ("undo.before-end", "everything is undone, the run is not RolledBack yet"),
];

/// Does what the environment asks for at this place: nothing, end the process at once, return `true` (the
/// caller then fails as if the connection broke), or sleep for ever.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) -> bool {
    use std::sync::atomic::{AtomicU64, Ordering};
    static TIMES: AtomicU64 = AtomicU64::new(0);
    debug_assert!(FAILPOINTS.iter().any(|(n, _)| *n == name), "{name} is not in FAILPOINTS");
    let Ok(asked) = std::env::var("COFFERDAM_FAILPOINT") else { return false };
    let Some((at, action)) = asked.split_once('=') else { return false };
    if at != name {
        return false;
    }
    let (action, nth) = action.split_once('@').unwrap_or((action, "1"));
    if TIMES.fetch_add(1, Ordering::SeqCst) + 1 != nth.parse().unwrap_or(1) {
        return false;
    }
    if let Ok(path) = std::env::var("COFFERDAM_FAILPOINT_REACHED") {
        let _ = std::fs::write(path, name);
    }
    match action {
        "kill" => {
            // As SIGKILL: no destructors, no flushing, no goodbye to the server.
            std::process::abort()
        }
        "hang" => loop {
            std::thread::sleep(std::time::Duration::from_secs(3600));
        },
        _ => true,
    }
}

/// See the version with the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_name: &str) -> bool {
    false
}
