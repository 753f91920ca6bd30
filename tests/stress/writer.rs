//! A writer: one transaction after the other, and what became of each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_postgres::Statement;

use crate::book::Book;
use crate::dice::Dice;
use crate::journal::{End, Entry};
use crate::session::{ROLE, Result, Session, Trouble};
use crate::turn::{Turn, Way, affected, shortened};
use crate::world::World;

/// What an application prepares when it opens a connection.
#[derive(Debug)]
pub struct Statements {
    pub update: Statement,
}

pub struct Writer {
    world: Arc<World>,
    number: i64,
    dice: Dice,
    transaction: i64,
    given: i64,
}

/// How a transaction that reached its end was sent off.
enum Sent {
    /// COMMIT was acknowledged, or refused.
    Told(Result<()>),
    /// The writer took it back itself.
    TakenBack,
}

impl Writer {
    pub fn new(world: Arc<World>, number: u64) -> Self {
        let dice = Dice::of(world.traffic.seed, number);
        Self { world, number: number as i64, dice, transaction: 0, given: 0 }
    }

    pub async fn run(mut self) {
        let mut session = None;
        while !self.world.stopped() {
            if let Err(what) = self.turn(&mut session).await {
                self.world.accuse(format!("writer {}: {what}", self.number));
                return;
            }
            let pause = self.dice.below(self.world.traffic.pause * 1000 + 1);
            tokio::time::sleep(Duration::from_micros(pause)).await;
        }
    }

    async fn open(&self, session: &mut Option<(Session, Statements)>) -> Result<()> {
        if session.as_ref().is_none_or(|(session, _)| session.client.is_closed()) {
            let opened = Session::open_again(&self.world.url, ROLE).await?;
            let update = opened
                .client
                .prepare("UPDATE item SET n = $2::int4, note = $3::text WHERE id = $1::int4")
                .await;
            let update = update.map_err(|error| opened.trouble(&error, "prepare"))?;
            *session = Some((opened, Statements { update }));
        }
        Ok(())
    }

    /// A transaction, and its end in the journal and in the book.
    async fn turn(&mut self, session: &mut Option<(Session, Statements)>) -> std::result::Result<(), String> {
        let world = self.world.clone();
        if world.traffic.truncate > 0 && self.dice.below(world.traffic.truncate) == 0 {
            return self.truncate(session).await;
        }
        let _open = world.barrier.read().await;
        if let Err(trouble) = self.open(session).await {
            return self.excused(trouble);
        }
        let Some((used, statements)) = session.as_ref() else { return Ok(()) };
        let mut book = world.books[self.number as usize].lock().await;
        self.transaction += 1;
        let isolation =
            *self.dice.pick(&["READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]);
        let way = match self.dice.below(4) {
            0 => Way::Batch(Vec::new()),
            1 => Way::Prepared,
            _ => Way::Talk,
        };
        book.begin();
        let mut turn = Turn {
            world: &world,
            session: used,
            statements,
            book: &mut book,
            dice: &mut self.dice,
            writer: self.number,
            given: &mut self.given,
            way,
            entry: Entry {
                writer: self.number as u64,
                number: self.transaction,
                isolation,
                began: Instant::now(),
                statements: Vec::new(),
            },
            may_meet: None,
        };
        let sent = turn.transaction().await;
        let (entry, may_meet) = (turn.entry, turn.may_meet);
        let settled = self.settle(&mut book, entry, may_meet, sent, session).await;
        // What went wrong is told once, and not again as a difference.
        if settled.is_err() {
            book.drop_all();
        }
        settled
    }

    /// Finds out what became of it.
    async fn settle(
        &mut self,
        book: &mut Book,
        entry: Entry,
        may_meet: Option<&str>,
        sent: Sent,
        session: &mut Option<(Session, Statements)>,
    ) -> std::result::Result<(), String> {
        let world = self.world.clone();
        let end = match sent {
            Sent::Told(Ok(())) => End::Acknowledged,
            Sent::TakenBack => End::Failed("taken back".into()),
            Sent::Told(Err(Trouble::Stale)) => {
                *world.met.lock().unwrap().entry("stale read".into()).or_default() += 1;
                if let Some((session, _)) = session.as_ref() {
                    let _ = session.send("ROLLBACK").await;
                }
                End::Failed("stale read".into())
            }
            Sent::Told(Err(Trouble::Wrong(what))) => {
                let about = format!("transaction {} ({}): {what}", entry.number, entry.isolation);
                world.journal.end(&entry, &End::Failed("wrong".into()));
                return Err(about);
            }
            Sent::Told(Err(Trouble::Refused { state, message, sql })) => {
                // What any application must expect: a conflict of two transactions, a deadlock, and that a
                // prepared statement's result has other types once the table has.
                let usual = matches!(state.as_str(), "40001" | "40P01")
                    || message.contains("cached plan must not change result type")
                    || may_meet == Some(state.as_str());
                if !usual {
                    world.journal.end(&entry, &End::Failed(state.clone()));
                    return Err(format!(
                        "transaction {} ({}): {state} {message}: {}",
                        entry.number,
                        entry.isolation,
                        shortened(&sql)
                    ));
                }
                *world.met.lock().unwrap().entry(state.clone()).or_default() += 1;
                if let Some((session, _)) = session.as_ref() {
                    // It fails only when the connection is gone, and then the next turn opens another.
                    let _ = session.send("ROLLBACK").await;
                }
                End::Failed(state)
            }
            Sent::Told(Err(Trouble::Lost(why))) => {
                *session = None;
                let wanted = why == CUT;
                if wanted {
                    world.cut.fetch_add(1, Ordering::SeqCst);
                } else if !world.shaky.load(Ordering::SeqCst) {
                    return Err(format!("transaction {}: the connection broke: {why}", entry.number));
                }
                End::InDoubt { committed: self.receipt(entry.number).await? }
            }
        };
        world.journal.end(&entry, &end);
        match end {
            End::Acknowledged | End::InDoubt { committed: true } => world.common(&book.commit()),
            _ => book.drop_all(),
        }
        Ok(())
    }

    /// Whether a transaction in doubt committed: its receipt says so. Writing the receipt in its place waits for
    /// a backend that is still at it, and keeps one that comes late from committing.
    async fn receipt(&self, number: i64) -> std::result::Result<bool, String> {
        loop {
            let session = match Session::open_again(&self.world.url, ROLE).await {
                Ok(session) => session,
                Err(trouble) => return Err(format!("{trouble:?}")),
            };
            match session.ask(&format!("INSERT INTO receipt VALUES ({}, {number})", self.number)).await {
                Ok(_) => return Ok(false),
                Err(Trouble::Refused { state, .. }) if state == "23505" => return Ok(true),
                Err(Trouble::Lost(_)) if self.world.shaky.load(Ordering::SeqCst) => {}
                Err(trouble) => return Err(format!("the receipt of transaction {number}: {trouble:?}")),
            }
        }
    }

    fn excused(&self, trouble: Trouble) -> std::result::Result<(), String> {
        match trouble {
            Trouble::Lost(_) if self.world.shaky.load(Ordering::SeqCst) => Ok(()),
            trouble => Err(format!("{trouble:?}")),
        }
    }

    /// Empties the table. Nobody else has a transaction open: what they have in it is gone with it.
    async fn truncate(
        &mut self,
        session: &mut Option<(Session, Statements)>,
    ) -> std::result::Result<(), String> {
        let world = self.world.clone();
        let _alone = world.barrier.write().await;
        if let Err(trouble) = self.open(session).await {
            return self.excused(trouble);
        }
        let Some((used, _)) = session.as_ref() else { return Ok(()) };
        self.transaction += 1;
        let receipt = format!("INSERT INTO receipt VALUES ({}, {})", self.number, self.transaction);
        let taken_back = self.dice.chance(30);
        let end = if taken_back { "ROLLBACK" } else { "COMMIT" };
        let sql = format!("BEGIN; {receipt}; TRUNCATE item, child; {end}");
        let entry = Entry {
            writer: self.number as u64,
            number: self.transaction,
            isolation: "READ COMMITTED",
            began: Instant::now(),
            statements: vec![sql.clone()],
        };
        world.count("TRUNCATE");
        let end = match used.send(&sql).await {
            Ok(_) if taken_back => End::Failed("taken back".into()),
            Ok(_) => End::Acknowledged,
            Err(Trouble::Refused { state, .. }) if state == "40P01" => {
                let _ = used.send("ROLLBACK").await;
                End::Failed(state)
            }
            Err(Trouble::Lost(_)) if world.shaky.load(Ordering::SeqCst) => {
                *session = None;
                End::InDoubt { committed: self.receipt(entry.number).await? }
            }
            Err(trouble) => return Err(format!("TRUNCATE: {trouble:?}")),
        };
        world.journal.end(&entry, &end);
        if matches!(end, End::Acknowledged | End::InDoubt { committed: true }) {
            for book in &world.books {
                book.lock().await.truncated();
            }
            world.shared.lock().unwrap().clear();
            *world.truncated.lock().unwrap() = Some(Instant::now());
        }
        Ok(())
    }
}

/// What a connection says that the writer cut itself.
const CUT: &str = "cut by the writer";

impl Turn<'_> {
    fn receipt(&self) -> String {
        format!("INSERT INTO receipt VALUES ({}, {})", self.writer, self.entry.number)
    }

    /// From BEGIN to the answer to COMMIT.
    async fn transaction(&mut self) -> Sent {
        match self.try_transaction().await {
            Ok(sent) => sent,
            Err(trouble) => Sent::Told(Err(trouble)),
        }
    }

    async fn try_transaction(&mut self) -> Result<Sent> {
        let begin = format!("BEGIN ISOLATION LEVEL {}", self.entry.isolation);
        if self.talks() {
            self.ask(&begin).await?;
            if self.dice.chance(10) {
                // The snapshot is older than what comes next, by a while.
                self.ask("SELECT count(*) FROM receipt WHERE number < 0").await?;
                let pause = *self.dice.pick(&[1, 5, 20, 60]);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        }
        for _ in 0..self.dice.between(1, 4) {
            self.some_deed(false).await?;
        }
        self.may_meet = None;
        if let Way::Batch(statements) = &self.way {
            let texts: Vec<&str> = statements.iter().map(|(sql, _)| sql.as_str()).collect();
            let sql = format!("{begin}; {}; {}; COMMIT", self.receipt(), texts.join(";\n"));
            let answers = self.cut_or(self.session.send(&sql), 2).await?;
            // BEGIN and the receipt come first.
            for ((sql, affects), answer) in statements.iter().zip(&answers[2..]) {
                affected(sql, answer.affected, *affects)?;
            }
            return Ok(Sent::Told(Ok(())));
        }
        if self.dice.chance(8) {
            self.ask("ROLLBACK").await?;
            return Ok(Sent::TakenBack);
        }
        let receipt = self.receipt();
        self.ask(&receipt).await?;
        self.cut_or(self.session.send("COMMIT"), 1).await?;
        Ok(Sent::Told(Ok(())))
    }

    /// Waits for the answer, or now and then cuts the connection before it comes, perhaps.
    async fn cut_or<T>(&self, answer: impl Future<Output = Result<T>>, percent: u64) -> Result<T> {
        let mut dice =
            Dice::of(self.world.traffic.seed ^ self.entry.number.unsigned_abs(), self.writer.unsigned_abs());
        if !dice.chance(percent) {
            return answer.await;
        }
        let patience = Duration::from_micros(dice.below(250));
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Trouble::Lost(CUT.into())),
        }
    }
}
