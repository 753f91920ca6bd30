//! Deeds that touch many rows with one statement.

use crate::row::{COLUMNS, Row, literal, value};
use crate::session::Result;
use crate::turn::Turn;

fn list(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

impl Turn<'_> {
    fn rows(&mut self, most: i64) -> Vec<(i64, Row)> {
        let count = self.dice.between(2, most).unsigned_abs();
        self.fresh_many(count).into_iter().map(|id| (id, self.any_row())).collect()
    }

    pub(super) async fn insert_many(&mut self) -> Result<()> {
        let rows = self.rows(20);
        let values: Vec<String> = rows.iter().map(|(id, row)| row.literals(*id)).collect();
        self.change(format!("INSERT INTO item ({COLUMNS}) VALUES {}", values.join(", ")), rows.len() as u64)
            .await?;
        rows.into_iter().for_each(|(id, row)| self.book.put(id, row));
        Ok(())
    }

    pub(super) async fn copy_many(&mut self) -> Result<()> {
        let rows = self.rows(60);
        let text: String = rows.iter().map(|(id, row)| row.line(*id)).collect();
        self.copy(&format!("COPY item ({COLUMNS}) FROM STDIN"), text, rows.len() as u64).await?;
        rows.into_iter().for_each(|(id, row)| self.book.put(id, row));
        Ok(())
    }

    pub(super) async fn update_many(&mut self) -> Result<()> {
        let count = self.dice.between(2, 60).unsigned_abs();
        let ids = self.some_many(count);
        let note = value(self.dice, "note");
        let sql = format!(
            "UPDATE item SET n = n + 1, note = {} WHERE id = ANY ('{{{}}}'::bigint[])",
            literal(note.as_deref()),
            list(&ids)
        );
        self.change(sql, ids.len() as u64).await?;
        for id in ids {
            let row = self.book.row(id).expect("it is there").clone();
            self.book.put(id, Row { n: row.n + 1, note: note.clone(), ..row });
        }
        Ok(())
    }

    pub(super) async fn delete_many(&mut self) -> Result<()> {
        let count = self.dice.between(2, 20).unsigned_abs();
        let ids = self.some_many(count);
        let sql = format!("DELETE FROM item WHERE id = ANY ('{{{}}}'::bigint[])", list(&ids));
        self.change(sql, ids.len() as u64).await?;
        ids.into_iter().for_each(|id| self.book.delete(id));
        Ok(())
    }

    /// Inserts, updates and deletes with one statement.
    pub(super) async fn merge(&mut self) -> Result<()> {
        let new = self.rows(4);
        let there = self.some_many(6);
        let mut source = Vec::new();
        for (id, row) in &new {
            source.push(format!("({id}, {}::bigint, {}, false)", row.num, literal(row.note.as_deref())));
        }
        let mut fates = Vec::new();
        for id in &there {
            let note = value(self.dice, "note");
            let gone = self.dice.chance(30);
            source.push(format!("({id}, NULL, {}, {gone})", literal(note.as_deref())));
            fates.push((*id, note, gone));
        }
        let sql = format!(
            "MERGE INTO item USING (VALUES {}) AS source (id, num, note, gone) ON item.id = source.id
             WHEN MATCHED AND source.gone THEN DELETE
             WHEN MATCHED THEN UPDATE SET note = source.note, n = item.n + 1
             WHEN NOT MATCHED THEN INSERT (id, num, n, note) VALUES (source.id, source.num, 7, source.note)",
            source.join(", ")
        );
        self.change(sql, source.len() as u64).await?;
        for (id, row) in new {
            let bare =
                Row { n: 7, tag: None, parent: None, amount: None, at: None, doc: None, bin: None, ..row };
            self.book.put(id, bare);
        }
        for (id, note, gone) in fates {
            let row = self.book.row(id).expect("it is there").clone();
            if gone { self.book.delete(id) } else { self.book.put(id, Row { n: row.n + 1, note, ..row }) }
        }
        Ok(())
    }
}
