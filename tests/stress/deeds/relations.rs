//! Deeds on the tables to which foreign keys lead and from which they come.

use crate::session::Result;
use crate::turn::Turn;
use crate::world::ROUND;

impl Turn<'_> {
    fn fresh_parent(&mut self) -> i64 {
        let taken = self.book.parents();
        let mut places = 500;
        loop {
            let id = self.dice.between(1, places) * ROUND + self.writer;
            if !taken.contains(&id) {
                return id;
            }
            // In a long story the places fill up.
            places += 1 + places / 8;
        }
    }

    fn some_parent(&mut self) -> Option<i64> {
        let parents = self.book.parents();
        (!parents.is_empty()).then(|| *self.dice.pick(&parents))
    }

    /// A parent, and some rows that get it.
    pub(super) async fn new_parent(&mut self) -> Result<()> {
        let parent = self.fresh_parent();
        self.change(format!("INSERT INTO parent VALUES ({parent})"), 1).await?;
        self.book.put_parent(parent);
        for id in self.some_many(4) {
            self.change(format!("UPDATE item SET parent = {parent} WHERE id = {id}"), 1).await?;
            let row = self.book.row(id).expect("it is there").clone();
            self.book.put(id, crate::row::Row { parent: Some(parent), ..row });
        }
        Ok(())
    }

    pub(super) async fn rekey_parent(&mut self) -> Result<()> {
        let Some(from) = self.some_parent() else { return Ok(()) };
        let to = self.fresh_parent();
        self.change(format!("UPDATE parent SET id = {to} WHERE id = {from}"), 1).await?;
        self.book.rekey_parent(from, to);
        Ok(())
    }

    pub(super) async fn drop_parent(&mut self) -> Result<()> {
        let Some(parent) = self.some_parent() else { return Ok(()) };
        self.change(format!("DELETE FROM parent WHERE id = {parent}"), 1).await?;
        self.book.delete_parent(parent);
        Ok(())
    }

    pub(super) async fn new_child(&mut self) -> Result<()> {
        let Some(item) = self.book.some(self.dice) else { return Ok(()) };
        let taken = self.book.children();
        let id = self.dice.between(1, 30_000) * ROUND + self.writer;
        if taken.contains_key(&id) {
            return Ok(());
        }
        self.change(format!("INSERT INTO child VALUES ({id}, {item})"), 1).await?;
        self.book.put_child(id, item);
        Ok(())
    }

    pub(super) async fn drop_child(&mut self) -> Result<()> {
        let children: Vec<i64> = self.book.children().into_keys().collect();
        if children.is_empty() {
            return Ok(());
        }
        let id = *self.dice.pick(&children);
        self.change(format!("DELETE FROM child WHERE id = {id}"), 1).await?;
        self.book.delete_child(id);
        Ok(())
    }
}
