//! A database in memory that obeys the same contract as the real ones.
//!
//! It is for tests of what stands above the engines: it can be told to lose a connection, an answer or a lock at
//! a chosen place, which a real server does only by chance. It is not in [`crate::ENGINES`]. Its statements are a
//! small language of its own, see [`language`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use cofferdam_core::fault::Result;
use cofferdam_core::online::Examined;
use cofferdam_core::{Code, Refusal};

use crate::{Engine, Missing, Session, Target};

mod catalog;
mod commit;
mod copy;
mod faults;
pub mod language;
mod locking;
mod online;
mod outbox;
mod park;
mod rehearsal;
mod server;
mod session;
mod vitals;

pub use faults::{FakeFault, FakePlace};
use server::Server;
pub use vitals::Health;

/// The engine. Clones share their databases; two engines made by [`Fake::new`] share nothing.
#[derive(Debug, Clone, Default)]
pub struct Fake {
    databases: Arc<Mutex<BTreeMap<String, FakeDatabase>>>,
}

/// A handle on one database, from which a test plans what goes wrong and looks at what happened.
#[derive(Debug, Clone, Default)]
pub struct FakeDatabase {
    server: Arc<Mutex<Server>>,
}

impl Fake {
    /// An engine without any database yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The database of that name; it is made, empty, when it is first named. A target without a URL has the name
    /// `fake`.
    pub fn database(&self, name: &str) -> FakeDatabase {
        let mut databases = self.databases.lock().unwrap_or_else(PoisonError::into_inner);
        databases.entry(name.to_owned()).or_insert_with(|| FakeDatabase::named(name)).clone()
    }
}

#[async_trait]
impl Engine for Fake {
    fn id(&self) -> &'static str {
        "fake"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["fake"]
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        let name = match &target.url {
            None => "fake",
            Some(url) => url.strip_prefix("fake://").filter(|name| !name.is_empty()).ok_or_else(|| {
                Refusal::new(Code::BadUrl, format!("{url} is not fake://NAME"))
                    .help("name a database: fake://shop")
            })?,
        };
        Ok(Box::new(session::FakeSession::open(self.database(name), target)?))
    }
}

impl FakeDatabase {
    fn named(name: &str) -> Self {
        Self { server: Arc::new(Mutex::new(Server::named(name))) }
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        // A test that panicked while it held the guard has failed already; the others may go on.
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next time that a session comes to `place`, `fault` happens.
    pub fn fail_next(&self, fault: FakeFault, place: FakePlace) {
        self.fail_nth(1, fault, place);
    }

    /// The `nth` time from now, counted from 1, that a session comes to `place`, `fault` happens.
    pub fn fail_nth(&self, nth: u32, fault: FakeFault, place: FakePlace) {
        self.server().planned.add(nth, fault, place);
    }

    /// Faults that were planned and did not happen yet. A test that planned one wants none left at its end.
    pub fn planned_faults(&self) -> usize {
        self.server().planned.left()
    }

    /// Faults that were planned and did not happen yet will not.
    pub fn forget_planned_faults(&self) {
        self.server().planned = faults::Planned::default();
    }

    /// Statements whose sessions are gone come to their end: their effect is there, and the run lock is free.
    pub fn finish_orphan(&self) {
        self.server().end_orphans(true);
    }

    /// Statements whose sessions are gone are ended without effect, but for an index that stays invalid.
    pub fn kill_orphan(&self) {
        self.server().end_orphans(false);
    }

    /// Somebody else's transaction holds the table: statements that name it do not get their lock.
    pub fn hold_table(&self, table: &str) {
        self.server().held_tables.insert(table.to_owned());
    }

    /// That transaction ended.
    pub fn let_go_of_table(&self, table: &str) {
        self.server().held_tables.remove(table);
    }

    /// What sessions beside a run are told of the database's health from now on.
    pub fn health(&self, health: Health) {
        self.server().health = health;
    }

    /// What looking at this table before an online change finds. Without it: a table that is rewritten, with a key.
    pub fn examined(&self, table: &str, examined: Examined) {
        self.server().online.examined.insert(table.to_owned(), examined);
    }

    /// The role lacks this right from now on.
    pub fn deny(&self, missing: Missing) {
        self.server().missing_rights.push(missing);
    }

    /// So much room is left from now on; nothing: it cannot be seen.
    pub fn has_room(&self, room: Vec<cofferdam_core::facts::Room>) {
        self.server().room = room;
    }

    /// A pooler stands in between from now on.
    pub fn pool(&self) {
        self.server().pooled = true;
    }

    /// A query that begins with this text is answered so from now on; `Err` is how the server refuses it.
    pub fn answer(&self, query: &str, with: Result<crate::Rows, String>) {
        self.server().answers.insert(query.to_owned(), with);
    }

    /// Every statement that took effect, in order: what was rolled back is not among them.
    pub fn performed(&self) -> Vec<String> {
        self.server().performed.clone()
    }

    /// Does statements as a person would beside Cofferdam, with a session of their own.
    pub fn by_hand(&self, statement: &str) -> Result<(), String> {
        language::perform(&mut self.server().content, &mut BTreeMap::new(), statement, None)
    }

    /// Changes the text of a journal row, as someone would who wants to hide something.
    pub fn forge_journal(&self, seq: i64, who: &str) {
        if let Some(own) = &mut self.server().own {
            own.journal.iter_mut().filter(|e| e.seq == seq).for_each(|e| who.clone_into(&mut e.who));
        }
    }
}
