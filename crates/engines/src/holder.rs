//! Who holds the run lock, and what is said to the others.

use cofferdam_core::{Code, Refusal};
use serde::Serialize;

/// Who holds the run lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The server's number of the session.
    pub pid: i32,
    /// Its user.
    pub user: String,
    /// Its application name.
    pub application: String,
    /// Where its client is; empty for a local socket.
    pub client: String,
    /// `active`, `idle`, `idle in transaction`.
    pub state: String,
    /// Since when it is in this state, in seconds.
    pub seconds: u64,
    /// Its statement, cut to one line.
    pub statement: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {} ({}", self.pid, self.user)?;
        if !self.application.is_empty() {
            write!(f, ", {}", self.application)?;
        }
        if !self.client.is_empty() {
            write!(f, ", from {}", self.client)?;
        }
        write!(f, "), {} for {} s", self.state, self.seconds)?;
        if !self.statement.is_empty() {
            write!(f, ": {}", self.statement)?;
        }
        Ok(())
    }
}

/// The statement that ends a session, in the words of a dialect.
pub(crate) fn ended(dialect: &str, pid: i32) -> String {
    match dialect {
        "mysql" | "mariadb" => format!("KILL {pid}"),
        _ => format!("SELECT pg_terminate_backend({pid})"),
    }
}

/// The refusal for a database that another runner is changing. `dialect`: see [`crate::Session::dialect`].
pub fn held_by_other(holder: Option<&Holder>, dialect: &str) -> Refusal {
    let refusal = Refusal::new(Code::LockHeldByOther, "another runner is changing this database");
    match holder {
        Some(holder) => refusal.cause(format!("the run lock is held by {holder}")).help(format!(
            "wait for it (--lock-wait 10m), or, if its process is gone for good, end its session: {}",
            ended(dialect, holder.pid)
        )),
        None => refusal.cause("the run lock was held until a moment ago").help("run the same command again"),
    }
}
