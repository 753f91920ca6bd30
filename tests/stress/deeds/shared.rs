//! Deeds on rows that belong to no writer. What must be in them follows from sums: each acknowledged transaction
//! says how much it added to a row or took from it, and in which order does not matter.

use crate::row::{COLUMNS, Row};
use crate::session::{Answer, Result};
use crate::turn::Turn;
use crate::world::{NOBODY, ROUND, SHARED};

/// What an update sets besides `n`, which is one more than before.
const FOLLOWS: &str = "n = item.n + 1, amount = (item.n + 1) * 1.5";

fn number(answer: &Answer) -> Option<i64> {
    answer.rows.first()?.first()?.as_deref()?.parse().ok()
}

impl Turn<'_> {
    fn shared_key(&mut self) -> i64 {
        self.dice.between(0, SHARED - 1) * 10 * ROUND + NOBODY
    }

    pub(super) async fn raise(&mut self) -> Result<()> {
        let id = self.shared_key();
        if self.ask(&format!("UPDATE item SET {FOLLOWS} WHERE id = {id}")).await?.affected == 1 {
            self.book.add_shared(id, 1);
        }
        Ok(())
    }

    pub(super) async fn bump(&mut self) -> Result<()> {
        let id = self.shared_key();
        // Somebody may insert the key between the look and the insert, and which index notices first is open.
        self.may_meet = Some("23505");
        let first = Row::shared(id, 1).literals(id);
        let sql =
            format!("INSERT INTO item ({COLUMNS}) VALUES {first} ON CONFLICT (id) DO UPDATE SET {FOLLOWS}");
        self.change(sql, 1).await?;
        self.book.add_shared(id, 1);
        Ok(())
    }

    pub(super) async fn take(&mut self) -> Result<()> {
        let id = self.shared_key();
        let answer = self.ask(&format!("DELETE FROM item WHERE id = {id} RETURNING n")).await?;
        if let Some(n) = number(&answer) {
            self.book.add_shared(id, -n);
        }
        Ok(())
    }

    pub(super) async fn move_shared(&mut self) -> Result<()> {
        let (from, to) = (self.shared_key(), self.shared_key());
        if from == to {
            return Ok(());
        }
        self.may_meet = Some("23505");
        let num = Row::shared(to, 1).num;
        let sql = format!("UPDATE item SET id = {to}, num = {num} WHERE id = {from} RETURNING n");
        if let Some(n) = number(&self.ask(&sql).await?) {
            self.book.add_shared(from, -n);
            self.book.add_shared(to, n);
        }
        Ok(())
    }
}
