//! The state behind all sessions of one database.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_core::facts::Room;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::Entry;
use cofferdam_core::park::Parked;
use uuid::Uuid;

use super::faults::Planned;
use super::language::{self, Content, Table};
use super::online::Changes;
use super::vitals::Health;
use crate::{Holder, Mark, Missing, Rows, Run};

/// One database, with the sessions that are connected to it.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) name: String,
    /// What users see.
    pub(super) content: Content,
    /// Cofferdam's own tables; `None` until the first claim.
    pub(super) own: Option<Own>,
    /// The number of the session that holds the run lock.
    pub(super) lock: Option<i32>,
    /// By their numbers.
    pub(super) sessions: BTreeMap<i32, Holder>,
    /// Online changes.
    pub(super) online: Changes,
    /// Which session is at which place for notifications.
    pub(super) telling: BTreeMap<String, i32>,
    orphans: Vec<Orphan>,
    /// Tables that somebody else's transaction holds.
    pub(super) held_tables: BTreeSet<String>,
    pub(super) planned: Planned,
    pub(super) missing_rights: Vec<Missing>,
    pub(super) room: Vec<Room>,
    /// A pooler stands in between.
    pub(super) pooled: bool,
    /// What queries answer that are not in the fake's language; `Err`: how the server refuses.
    pub(super) answers: BTreeMap<String, Result<Rows, String>>,
    pub(super) performed: Vec<String>,
    /// Why runs are to be taken back, and since when.
    pub(super) asked_back: BTreeMap<Uuid, (String, String)>,
    /// What a test says of the database's health.
    pub(super) health: Health,
    last_pid: i32,
}

/// Cofferdam's own tables.
#[derive(Debug, Default, Clone)]
pub(super) struct Own {
    pub(super) runs: Vec<Run>,
    pub(super) journal: Vec<Entry>,
    pub(super) history: Vec<Applied>,
    pub(super) marks: BTreeMap<String, Mark>,
    /// What is parked, and what it holds while it is there.
    pub(super) parked: Vec<(Parked, Vec<(String, Table)>)>,
}

/// A session whose client is gone, and the statement that it still runs.
#[derive(Debug)]
struct Orphan {
    pid: i32,
    /// `None`: it was in a transaction, which nobody will commit.
    statement: Option<String>,
}

impl Server {
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(super) fn connect(&mut self, application: &str) -> i32 {
        self.last_pid += 1;
        let session = Holder {
            pid: self.last_pid,
            user: "fake".into(),
            application: application.into(),
            client: String::new(),
            state: "idle".into(),
            seconds: 0,
            statement: String::new(),
        };
        self.sessions.insert(self.last_pid, session);
        self.last_pid
    }

    /// The client closed its connection, or died while nothing ran.
    pub(super) fn disconnect(&mut self, pid: i32) {
        self.sessions.remove(&pid);
        self.telling.retain(|_, at| *at != pid);
        self.lose_lock(pid);
    }

    /// The run lock is free, if this session held it.
    pub(super) fn lose_lock(&mut self, pid: i32) {
        self.lock = self.lock.filter(|holder| *holder != pid);
    }

    /// The client is gone, and the server did not notice: what it runs goes on, and its lock stays.
    pub(super) fn orphan(&mut self, pid: i32, statement: Option<String>) {
        if let Some(session) = self.sessions.get_mut(&pid) {
            session.state = "active".into();
            session.statement = statement.clone().unwrap_or_else(|| "in a transaction".into());
        }
        // An index that is being built is in the catalog from its first moment.
        if let Some(statement) = &statement {
            language::leave_halfway(&mut self.content, statement);
        }
        self.orphans.push(Orphan { pid, statement });
    }

    pub(super) fn end_orphans(&mut self, well: bool) {
        for orphan in std::mem::take(&mut self.orphans) {
            self.disconnect(orphan.pid);
            let Some(statement) = orphan.statement.filter(|_| well) else { continue };
            language::remove_invalid(&mut self.content, &statement);
            if language::perform(&mut self.content, &mut BTreeMap::new(), &statement, None).is_ok() {
                self.performed.push(statement);
            }
        }
    }

    /// Who holds the run lock, unless it is `but`.
    pub(super) fn holder(&self, but: i32) -> Option<Holder> {
        self.lock.filter(|pid| *pid != but).and_then(|pid| self.sessions.get(&pid).cloned())
    }
}

impl Own {
    /// The newest fencing number that any run was written with; 0 where there is no run.
    pub(super) fn newest_epoch(&self) -> i64 {
        self.runs.iter().map(|r| r.epoch).max().unwrap_or(0)
    }
}
