//! One transaction of a writer while it is open: what is sent and what the book must say then.

use std::collections::BTreeSet;

use crate::book::Book;
use crate::dice::Dice;
use crate::journal::Entry;
use crate::row::Row;
use crate::session::{Answer, Result, Session, Trouble};
use crate::world::{ROUND, World};

/// How statements reach the server.
#[derive(Debug)]
pub enum Way {
    /// One after the other, each with its answer.
    Talk,
    /// As prepared once, and used for many transactions.
    Prepared,
    /// All in one message with BEGIN and COMMIT; what each must affect is compared afterwards.
    Batch(Vec<(String, u64)>),
}

pub struct Turn<'a> {
    pub world: &'a World,
    pub session: &'a Session,
    pub statements: &'a crate::writer::Statements,
    pub book: &'a mut Book,
    pub dice: &'a mut Dice,
    pub writer: i64,
    /// Counts the numbers that this writer gives itself where it cannot learn the identity column's.
    pub given: &'a mut i64,
    pub way: Way,
    pub entry: Entry,
    /// A refusal that the statement under way may meet.
    pub may_meet: Option<&'static str>,
}

impl Turn<'_> {
    /// Whether it learns at once what a statement gave.
    pub fn talks(&self) -> bool {
        !matches!(self.way, Way::Batch(_))
    }

    /// Sends a statement and gives its answer.
    pub async fn ask(&mut self, sql: &str) -> Result<Answer> {
        assert!(self.talks(), "a batch has no answers on the way");
        self.entry.statements.push(sql.to_owned());
        self.session.ask(sql).await
    }

    /// Sends a statement that must affect so many rows.
    pub async fn change(&mut self, sql: String, affects: u64) -> Result<()> {
        if let Way::Batch(statements) = &mut self.way {
            self.entry.statements.push(sql.clone());
            statements.push((sql, affects));
            return Ok(());
        }
        let answer = self.ask(&sql).await?;
        match affected(&sql, answer.affected, affects) {
            Err(Trouble::Wrong(what)) if self.older_than_the_swap().await? => {
                Err(Trouble::Wrong(format!("in a snapshot from before the swap: {what}")))
            }
            other => other,
        }
    }

    /// Whether the table came to its name after this transaction's snapshot: by its name the present one is found,
    /// and the catalog as the snapshot shows it has that one elsewhere.
    pub async fn older_than_the_swap(&mut self) -> Result<bool> {
        let sql = "SELECT count(*) FROM pg_class WHERE oid = 'public.item'::regclass AND relnamespace = 'public'::regnamespace";
        let answer = self.session.ask(sql).await?;
        Ok(answer.rows[0][0].as_deref() == Some("0"))
    }

    /// The same with COPY; `text` in its text format.
    pub async fn copy(&mut self, sql: &str, text: String, rows: u64) -> Result<()> {
        self.entry.statements.push(format!("{sql}\n{text}"));
        let taken = self.session.copy(sql, text).await?;
        affected(sql, taken, rows)
    }

    /// A key of this writer that no row has.
    pub fn fresh(&mut self) -> i64 {
        self.fresh_beside(&BTreeSet::new())
    }

    /// One that is not among these either.
    fn fresh_beside(&mut self, taken: &BTreeSet<i64>) -> i64 {
        let mut places = self.world.traffic.rows as i64 * 2;
        loop {
            let place = match self.dice.below(10) {
                // Between the rows of the beginning, ahead of them, and after them.
                0..5 => self.dice.between(0, places),
                5 => self.dice.between(-places / 2, -1),
                _ => self.dice.between(places, places * 3),
            };
            let id = place * ROUND + self.writer;
            if !taken.contains(&id) && self.book.row(id).is_none() {
                return id;
            }
            // In a long story the places fill up.
            places += 1 + places / 8;
        }
    }

    /// Several of them.
    pub fn fresh_many(&mut self, count: u64) -> Vec<i64> {
        let mut ids = BTreeSet::new();
        while (ids.len() as u64) < count {
            ids.insert(self.fresh_beside(&ids));
        }
        ids.into_iter().collect()
    }

    /// Keys of rows that are there, each once.
    pub fn some_many(&mut self, count: u64) -> Vec<i64> {
        let mut ids: Vec<i64> = (0..count).filter_map(|_| self.book.some(self.dice)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// A number for the unique column that nobody else gives.
    pub fn number(&mut self) -> i64 {
        *self.given += 1;
        -10_000_000 - *self.given * ROUND - self.writer
    }

    /// Any row, perhaps with a tag and a parent.
    pub fn any_row(&mut self) -> Row {
        let num = self.number();
        let mut row = Row::any(self.dice, num);
        if self.dice.chance(50) {
            row.tag = Some(format!("w{} {}", self.writer, *self.given));
        }
        if self.dice.chance(20) {
            let parents = self.book.parents();
            row.parent = (!parents.is_empty()).then(|| *self.dice.pick(&parents));
        }
        row
    }
}

/// A statement that affects fewer rows than the book has: they are lost; more: they came back.
pub fn affected(sql: &str, really: u64, expected: u64) -> Result<()> {
    if really == expected {
        return Ok(());
    }
    Err(Trouble::Wrong(format!("affects {really} rows, not {expected}: {}", shortened(sql))))
}

pub fn shortened(sql: &str) -> String {
    sql.chars().take(600).collect()
}
