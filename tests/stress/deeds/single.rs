//! Deeds on one row, or on a row and the key next to it.

use std::sync::atomic::Ordering;

use tokio_postgres::types::ToSql;

use crate::row::{COLUMNS, OPEN, Row, literal, value};
use crate::session::{Result, Trouble};
use crate::turn::{Turn, Way, affected};

impl Turn<'_> {
    pub(super) async fn insert(&mut self) -> Result<()> {
        let id = self.fresh();
        let row = self.any_row();
        if !self.talks() || self.dice.chance(40) {
            self.change(format!("INSERT INTO item ({COLUMNS}) VALUES {}", row.literals(id)), 1).await?;
            self.book.put(id, row);
            return Ok(());
        }
        // The identity column gives the number, and never one that it gave before.
        let before = self.world.highest.load(Ordering::SeqCst);
        let literals = row.literals(id);
        let without = literals.replacen(&format!("'{}', ", row.num), "", 1);
        let columns = COLUMNS.replacen("num, ", "", 1);
        let answer =
            self.ask(&format!("INSERT INTO item ({columns}) VALUES {without} RETURNING num")).await?;
        let num: i64 = answer.rows[0][0].as_deref().and_then(|n| n.parse().ok()).unwrap_or_default();
        if num <= before {
            return Err(Trouble::Wrong(format!("the identity column gave {num} after {before}")));
        }
        self.book.gave(num);
        self.book.put(id, Row { num, ..row });
        Ok(())
    }

    pub(super) async fn update(&mut self) -> Result<()> {
        let Some(id) = self.book.some(self.dice) else { return Ok(()) };
        let mut row = self.book.row(id).expect("some gives rows that are there").clone();
        if matches!(self.way, Way::Prepared) {
            return self.update_prepared(id, row).await;
        }
        row.n = self.dice.between(1, 1000);
        let mut set = vec![format!("n = {}", row.n)];
        for column in OPEN {
            if self.dice.chance(30) {
                *row.field(column) = value(self.dice, column);
                set.push(format!("{column} = {}", literal(row.field(column).as_deref())));
            }
        }
        self.change(format!("UPDATE item SET {} WHERE id = {id}", set.join(", ")), 1).await?;
        self.book.put(id, row);
        Ok(())
    }

    /// By a statement that was prepared when the connection was opened, perhaps before the table was swapped.
    async fn update_prepared(&mut self, id: i64, mut row: Row) -> Result<()> {
        row.note = value(self.dice, "note");
        row.n = self.dice.between(1, 1000);
        let (key, n) = (i32::try_from(id).unwrap_or_default(), i32::try_from(row.n).unwrap_or_default());
        let values: [&(dyn ToSql + Sync); 3] = [&key, &n, &row.note];
        self.entry
            .statements
            .push(format!("prepared: UPDATE item SET n = {n}, note = {:?} WHERE id = {id}", row.note));
        let sent = self.session.client.execute(&self.statements.update, &values).await;
        let really = sent.map_err(|error| self.session.trouble(&error, "the prepared update"))?;
        affected(&format!("the prepared update of {id}"), really, 1)?;
        self.book.put(id, row);
        Ok(())
    }

    pub(super) async fn set_null(&mut self) -> Result<()> {
        let Some(id) = self.book.some(self.dice) else { return Ok(()) };
        let mut row = self.book.row(id).expect("it is there").clone();
        let column = *self.dice.pick(OPEN);
        // As often the other way round: NULL becomes empty.
        let to_empty = column == "note" && row.note.is_none();
        *row.field(column) = to_empty.then(String::new);
        let to = literal(row.field(column).as_deref());
        self.change(format!("UPDATE item SET {column} = {to} WHERE id = {id}"), 1).await?;
        self.book.put(id, row);
        Ok(())
    }

    pub(super) async fn delete(&mut self) -> Result<()> {
        let Some(id) = self.book.some(self.dice) else { return Ok(()) };
        self.change(format!("DELETE FROM item WHERE id = {id}"), 1).await?;
        self.book.delete(id);
        Ok(())
    }

    pub(super) async fn rekey(&mut self) -> Result<()> {
        let Some(id) = self.book.some(self.dice) else { return Ok(()) };
        let to = self.fresh();
        self.change(format!("UPDATE item SET id = {to} WHERE id = {id}"), 1).await?;
        self.book.rekey(id, to);
        Ok(())
    }

    /// Two rows change keys, by way of a third that is free again at the end.
    pub(super) async fn swap_keys(&mut self) -> Result<()> {
        let ids = self.some_many(2);
        let [a, b] = ids[..] else { return Ok(()) };
        let third = self.fresh();
        for (from, to) in [(a, third), (b, a), (third, b)] {
            self.change(format!("UPDATE item SET id = {to} WHERE id = {from}"), 1).await?;
            self.book.rekey(from, to);
        }
        Ok(())
    }

    /// The row goes under one key and comes under another, in one statement; its children go.
    pub(super) async fn rekey_by_query(&mut self) -> Result<()> {
        let Some(id) = self.book.some(self.dice) else { return Ok(()) };
        let to = self.fresh();
        let rest = COLUMNS.replacen("id, ", "", 1);
        let sql = format!(
            "WITH gone AS (DELETE FROM item WHERE id = {id} RETURNING *)
             INSERT INTO item ({COLUMNS}) SELECT {to}, {rest} FROM gone"
        );
        self.change(sql, 1).await?;
        let row = self.book.row(id).expect("it is there").clone();
        self.book.delete(id);
        self.book.put(to, row);
        Ok(())
    }

    pub(super) async fn reinsert(&mut self) -> Result<()> {
        let Some(id) = self.book.some(self.dice) else { return Ok(()) };
        self.change(format!("DELETE FROM item WHERE id = {id}"), 1).await?;
        self.book.delete(id);
        let row = self.any_row();
        self.change(format!("INSERT INTO item ({COLUMNS}) VALUES {}", row.literals(id)), 1).await?;
        self.book.put(id, row);
        Ok(())
    }

    pub(super) async fn flash(&mut self) -> Result<()> {
        let id = self.fresh();
        let row = self.any_row();
        self.change(format!("INSERT INTO item ({COLUMNS}) VALUES {}", row.literals(id)), 1).await?;
        self.change(format!("DELETE FROM item WHERE id = {id}"), 1).await?;
        self.book.put(id, row);
        self.book.delete(id);
        Ok(())
    }

    pub(super) async fn upsert(&mut self) -> Result<()> {
        let there = self.book.some(self.dice).filter(|_| self.dice.chance(60));
        let id = there.unwrap_or_else(|| self.fresh());
        let new = self.any_row();
        let sql = format!(
            "INSERT INTO item ({COLUMNS}) VALUES {} ON CONFLICT (id) DO UPDATE SET n = item.n + 1, note = EXCLUDED.note",
            new.literals(id)
        );
        self.change(sql, 1).await?;
        let row = match self.book.row(id) {
            Some(old) => Row { n: old.n + 1, note: new.note, ..old.clone() },
            None => new,
        };
        self.book.put(id, row);
        Ok(())
    }

    /// A row that is not inserted: its key, or its tag, is taken.
    pub(super) async fn nothing_on_conflict(&mut self) -> Result<()> {
        let Some(there) = self.book.some(self.dice) else { return Ok(()) };
        let mut row = self.any_row();
        let tag = self.book.row(there).and_then(|row| row.tag.clone());
        let (id, on) = match tag {
            Some(tag) if self.dice.chance(50) => {
                row.tag = Some(tag);
                (self.fresh(), "(tag)")
            }
            _ => (there, *self.dice.pick(&["(id)", ""])),
        };
        let sql =
            format!("INSERT INTO item ({COLUMNS}) VALUES {} ON CONFLICT {on} DO NOTHING", row.literals(id));
        self.change(sql, 0).await
    }
}
