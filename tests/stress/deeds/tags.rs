//! Deeds that carry a unique value from one row to another.

use crate::row::{Row, literal};
use crate::session::Result;
use crate::turn::Turn;

impl Turn<'_> {
    async fn tag(&mut self, id: i64, tag: Option<String>) -> Result<()> {
        let sql = format!("UPDATE item SET tag = {} WHERE id = {id}", literal(tag.as_deref()));
        self.change(sql, 1).await?;
        let row = self.book.row(id).expect("it is there").clone();
        self.book.put(id, Row { tag, ..row });
        Ok(())
    }

    /// Two rows, of which the first has a tag.
    fn pair(&mut self) -> Option<(i64, i64, String)> {
        let ids = self.some_many(8);
        let (at, tag) = ids.iter().find_map(|id| Some((*id, self.book.row(*id)?.tag.clone()?)))?;
        let others: Vec<i64> = ids.into_iter().filter(|id| *id != at).collect();
        (!others.is_empty()).then(|| (at, *self.dice.pick(&others), tag))
    }

    /// From one row to another, in one transaction; the other row's tag is lost.
    pub(super) async fn move_tag(&mut self) -> Result<()> {
        let Some((from, to, tag)) = self.pair() else { return Ok(()) };
        self.tag(from, None).await?;
        self.tag(to, Some(tag)).await
    }

    /// Two rows swap, by way of NULL or of a value that is free again at the end.
    pub(super) async fn swap_tags(&mut self) -> Result<()> {
        let Some((a, b, tag)) = self.pair() else { return Ok(()) };
        let other = self.book.row(b).and_then(|row| row.tag.clone());
        let between = self.dice.chance(50).then(|| format!("w{} between", self.writer));
        self.tag(a, between).await?;
        self.tag(b, Some(tag)).await?;
        self.tag(a, other).await
    }

    /// A tag of a row that goes, or of one that gives it up, comes up at a new row at once.
    pub(super) async fn reuse_tag(&mut self) -> Result<()> {
        let Some((from, _, tag)) = self.pair() else { return Ok(()) };
        if self.dice.chance(50) {
            self.change(format!("DELETE FROM item WHERE id = {from}"), 1).await?;
            self.book.delete(from);
        } else {
            self.tag(from, None).await?;
        }
        let id = self.fresh();
        let row = Row { tag: Some(tag), ..self.any_row() };
        let sql = format!("INSERT INTO item ({}) VALUES {}", crate::row::COLUMNS, row.literals(id));
        self.change(sql, 1).await?;
        self.book.put(id, row);
        Ok(())
    }
}
