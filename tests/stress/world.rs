//! What writers, migration and oracle share: where the database is, the books, and what was found to be wrong.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::RwLock;
use tokio::task::JoinHandle;

use crate::book::{Book, Common};
use crate::dice::Dice;
use crate::journal::Journal;
use crate::row::{COLUMNS, Row, SCHEMA};
use crate::session::{ROLE, Session};
use crate::writer::Writer;

/// Keys are dealt out in rounds: of 64 keys in a row each writer has one, so that writers meet in every page and
/// every chunk, and the last belongs to none.
pub const ROUND: i64 = 64;

/// Which of the 64 belongs to nobody.
pub const NOBODY: i64 = ROUND - 1;

/// Rows that belong to nobody have this many keys.
pub const SHARED: i64 = 40;

/// How heavy the traffic is.
#[derive(Debug, Clone, Copy)]
pub struct Traffic {
    pub seed: u64,
    pub writers: u64,
    /// Rows that each writer tries to keep.
    pub rows: usize,
    /// The longest pause between two transactions, in milliseconds.
    pub pause: u64,
    /// One transaction in so many truncates the table; 0: none.
    pub truncate: u64,
}

#[derive(Debug)]
pub struct World {
    pub url: String,
    pub traffic: Traffic,
    /// Held for reading by each transaction; whoever holds it for writing sees a quiet database.
    pub barrier: RwLock<()>,
    pub books: Vec<tokio::sync::Mutex<Book>>,
    /// What a row that belongs to nobody must have in `n`; 0: it must not be there.
    pub shared: Mutex<BTreeMap<i64, i64>>,
    /// The highest number that the identity column gave to a transaction that committed.
    pub highest: AtomicI64,
    pub journal: Journal,
    pub wrong: Mutex<Vec<String>>,
    stop: AtomicBool,
    /// Connections may break: a test ends the server.
    pub shaky: AtomicBool,
    /// Which kinds of operation were done how often.
    pub done: Mutex<BTreeMap<&'static str, u64>>,
    /// SQLSTATEs that writers met and that an application must expect.
    pub met: Mutex<BTreeMap<String, u64>>,
    pub cut: AtomicU64,
    /// When the table was truncated last.
    pub truncated: Mutex<Option<Instant>>,
}

impl World {
    /// Creates the application's tables with their first rows.
    pub async fn create(url: &str, traffic: Traffic, folder: &Path) -> Arc<Self> {
        let owner = Session::open(url, "postgres").await.unwrap();
        owner
            .send(&format!(
                "SET client_min_messages = error;
                 DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
                 END $$; {SCHEMA}"
            ))
            .await
            .unwrap();
        let mut books = Vec::new();
        for number in 0..traffic.writers {
            let book = first_rows(&owner, number as i64, traffic).await;
            books.push(tokio::sync::Mutex::new(book));
        }
        owner.send("ANALYZE").await.unwrap();
        Arc::new(Self {
            url: url.to_owned(),
            traffic,
            barrier: RwLock::new(()),
            books,
            shared: Mutex::default(),
            highest: AtomicI64::new(0),
            journal: Journal::create(&folder.join("journal.jsonl")),
            wrong: Mutex::default(),
            stop: AtomicBool::new(false),
            shaky: AtomicBool::new(false),
            done: Mutex::default(),
            met: Mutex::default(),
            cut: AtomicU64::new(0),
            truncated: Mutex::default(),
        })
    }

    /// Sets the writers to work.
    pub fn start(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let server = |number| Writer::new(self.clone(), number).run();
        (0..self.traffic.writers).map(|number| tokio::spawn(server(number))).collect()
    }

    /// Ends the writers, each after its transaction.
    pub async fn stop(&self, writers: Vec<JoinHandle<()>>) {
        self.stop.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.await.unwrap();
        }
    }

    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    pub fn accuse(&self, what: String) {
        self.journal.event(&what);
        self.wrong.lock().unwrap().push(what);
    }

    pub fn accused(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    /// What a committed transaction changed beyond its writer's own rows.
    pub fn common(&self, common: &Common) {
        let mut shared = self.shared.lock().unwrap();
        for (id, by) in &common.shared {
            *shared.entry(*id).or_default() += by;
        }
        self.highest.fetch_max(common.highest, Ordering::SeqCst);
    }

    pub fn count(&self, deed: &'static str) {
        *self.done.lock().unwrap().entry(deed).or_default() += 1;
    }
}

async fn first_rows(owner: &Session, writer: i64, traffic: Traffic) -> Book {
    let mut dice = Dice::of(traffic.seed, 1000 + writer.unsigned_abs());
    let mut book = Book::default();
    book.begin();
    let (mut items, mut parents, mut children) = (String::new(), String::new(), String::new());
    for place in 1..=10 {
        let id = place * ROUND + writer;
        parents += &format!("{id}\n");
        book.put_parent(id);
    }
    let ids: Vec<i64> = (0..traffic.rows as i64).map(|place| place * 2 * ROUND + writer).collect();
    for id in ids {
        let mut row = Row::any(&mut dice, -ROUND - id);
        row.tag = dice.chance(50).then(|| format!("w{writer} first {id}"));
        row.parent = dice.chance(30).then(|| dice.between(1, 10) * ROUND + writer);
        items += &row.line(id);
        book.put(id, row);
        if dice.chance(5) {
            children += &format!("{id}\t{id}\n");
            book.put_child(id, id);
        }
    }
    owner.copy("COPY parent FROM STDIN", parents).await.unwrap();
    owner.copy(&format!("COPY item ({COLUMNS}) FROM STDIN"), items).await.unwrap();
    owner.copy("COPY child FROM STDIN", children).await.unwrap();
    book.commit();
    book
}
