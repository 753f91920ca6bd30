//! What a writer's rows must be: the rows that only this writer changes, as its acknowledged transactions left
//! them. An open transaction, and each savepoint in it, is a layer above; it is merged or thrown away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::dice::Dice;
use crate::row::Row;

/// What a transaction, or a part of it, changes. `None` and `false` say: gone.
#[derive(Debug, Default)]
struct Layer {
    rows: BTreeMap<i64, Option<Row>>,
    parents: BTreeMap<i64, bool>,
    children: BTreeMap<i64, Option<i64>>,
    /// What was added to rows that belong to no writer; below zero: taken from them.
    shared: Vec<(i64, i64)>,
    /// The highest number that the identity column gave.
    highest: i64,
}

/// A commit's part that concerns more than one writer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Common {
    pub shared: Vec<(i64, i64)>,
    pub highest: i64,
}

#[derive(Debug, Default)]
pub struct Book {
    rows: BTreeMap<i64, Row>,
    parents: BTreeSet<i64>,
    /// A child's key, and the key of the item that it belongs to.
    children: BTreeMap<i64, i64>,
    layers: Vec<Layer>,
    /// When a row was last written to by a transaction that committed.
    written: BTreeMap<i64, Instant>,
}

impl Book {
    /// A transaction or a savepoint begins.
    pub fn begin(&mut self) {
        self.layers.push(Layer::default());
    }

    /// The innermost ends as if it had not been.
    pub fn drop_layer(&mut self) {
        self.layers.pop();
    }

    /// The transaction ends as if it had not been, with the savepoints in it.
    pub fn drop_all(&mut self) {
        self.layers.clear();
    }

    /// The innermost savepoint is released.
    pub fn release(&mut self) {
        let top = self.layers.pop().unwrap();
        let below = self.layers.last_mut().expect("a savepoint stands in a transaction");
        below.rows.extend(top.rows);
        below.parents.extend(top.parents);
        below.children.extend(top.children);
        below.shared.extend(top.shared);
        below.highest = below.highest.max(top.highest);
    }

    /// The transaction committed.
    pub fn commit(&mut self) -> Common {
        let top = self.layers.pop().unwrap();
        assert!(self.layers.is_empty(), "a savepoint is open");
        let now = Instant::now();
        for (id, row) in top.rows {
            self.written.insert(id, now);
            match row {
                Some(row) => self.rows.insert(id, row),
                None => self.rows.remove(&id),
            };
        }
        for (id, there) in top.parents {
            if there {
                self.parents.insert(id)
            } else {
                self.parents.remove(&id)
            };
        }
        for (id, item) in top.children {
            match item {
                Some(item) => self.children.insert(id, item),
                None => self.children.remove(&id),
            };
        }
        for (id, _) in &top.shared {
            self.written.insert(*id, now);
        }
        Common { shared: top.shared, highest: top.highest }
    }

    /// Everything that a writer has in `item` and `child` is gone; committed.
    pub fn truncated(&mut self) {
        assert!(self.layers.is_empty(), "a transaction is open");
        let now = Instant::now();
        self.written.extend(self.rows.keys().map(|id| (*id, now)));
        self.rows.clear();
        self.children.clear();
    }

    /// Keys whose rows a transaction wrote to that ended after this moment.
    pub fn written_since(&self, moment: Instant) -> impl Iterator<Item = i64> + '_ {
        self.written.iter().filter(move |(_, at)| **at >= moment).map(|(id, _)| *id)
    }

    pub fn row(&self, id: i64) -> Option<&Row> {
        let layered = self.layers.iter().rev().find_map(|layer| layer.rows.get(&id));
        layered.map_or_else(|| self.rows.get(&id), Option::as_ref)
    }

    fn top(&mut self) -> &mut Layer {
        self.layers.last_mut().expect("a transaction is open")
    }

    pub fn put(&mut self, id: i64, row: Row) {
        self.top().rows.insert(id, Some(row));
    }

    /// The row goes, and with it what refers to it.
    pub fn delete(&mut self, id: i64) {
        for child in self.children_of(id) {
            self.top().children.insert(child, None);
        }
        self.top().rows.insert(id, None);
    }

    /// The row gets another key, and what refers to it follows.
    pub fn rekey(&mut self, from: i64, to: i64) {
        let row = self.row(from).expect("the row is there").clone();
        for child in self.children_of(from) {
            self.top().children.insert(child, Some(to));
        }
        self.top().rows.insert(from, None);
        self.put(to, row);
    }

    pub fn put_parent(&mut self, id: i64) {
        self.top().parents.insert(id, true);
    }

    pub fn delete_parent(&mut self, id: i64) {
        for item in self.items_of(id) {
            self.delete(item);
        }
        self.top().parents.insert(id, false);
    }

    pub fn rekey_parent(&mut self, from: i64, to: i64) {
        for item in self.items_of(from) {
            let row = self.row(item).expect("the row is there").clone();
            self.put(item, Row { parent: Some(to), ..row });
        }
        self.top().parents.insert(from, false);
        self.put_parent(to);
    }

    pub fn put_child(&mut self, id: i64, item: i64) {
        self.top().children.insert(id, Some(item));
    }

    pub fn delete_child(&mut self, id: i64) {
        self.top().children.insert(id, None);
    }

    pub fn add_shared(&mut self, id: i64, by: i64) {
        self.top().shared.push((id, by));
    }

    pub fn gave(&mut self, num: i64) {
        let top = self.top();
        top.highest = top.highest.max(num);
    }

    /// The keys of all rows.
    pub fn ids(&self) -> Vec<i64> {
        let mut ids: BTreeSet<i64> = self.rows.keys().copied().collect();
        for layer in &self.layers {
            for (id, row) in &layer.rows {
                if row.is_some() {
                    ids.insert(*id)
                } else {
                    ids.remove(id)
                };
            }
        }
        ids.into_iter().collect()
    }

    pub fn parents(&self) -> Vec<i64> {
        let mut ids = self.parents.clone();
        for layer in &self.layers {
            for (id, there) in &layer.parents {
                if *there {
                    ids.insert(*id)
                } else {
                    ids.remove(id)
                };
            }
        }
        ids.into_iter().collect()
    }

    pub fn children(&self) -> BTreeMap<i64, i64> {
        let mut all = self.children.clone();
        for layer in &self.layers {
            for (id, item) in &layer.children {
                match item {
                    Some(item) => all.insert(*id, *item),
                    None => all.remove(id),
                };
            }
        }
        all
    }

    /// One of its keys.
    pub fn some(&self, dice: &mut Dice) -> Option<i64> {
        let (first, last) = (*self.rows.keys().next()?, *self.rows.keys().next_back()?);
        (0..20).find_map(|_| {
            let from = dice.between(first, last);
            let id = *self.rows.range(from..).next()?.0;
            self.row(id).map(|_| id)
        })
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    fn children_of(&self, item: i64) -> Vec<i64> {
        self.children().into_iter().filter(|(_, of)| *of == item).map(|(id, _)| id).collect()
    }

    fn items_of(&self, parent: i64) -> Vec<i64> {
        let mut ids = self.ids();
        ids.retain(|id| self.row(*id).is_some_and(|row| row.parent == Some(parent)));
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> Book {
        let mut book = Book::default();
        book.begin();
        book.put_parent(7);
        book.put(1, Row { parent: Some(7), ..Row::shared(1, 1) });
        book.put(2, Row::shared(2, 1));
        book.put_child(11, 1);
        book.put_child(12, 2);
        book.commit();
        book
    }

    #[test]
    fn what_is_rolled_back_was_not() {
        let mut book = book();
        book.begin();
        book.delete(1);
        book.begin();
        book.put(1, Row::shared(1, 9));
        book.rekey(2, 3);
        assert_eq!((book.ids(), book.children()), (vec![1, 3], BTreeMap::from([(12, 3)])));
        book.drop_layer();
        assert_eq!(book.ids(), [2]);
        book.drop_layer();
        assert_eq!((book.ids(), book.children()), (vec![1, 2], BTreeMap::from([(11, 1), (12, 2)])));
    }

    #[test]
    fn what_is_released_counts_when_the_transaction_commits() {
        let mut book = book();
        book.begin();
        book.begin();
        book.delete(2);
        book.add_shared(63, 1);
        book.gave(5);
        book.release();
        assert_eq!(book.len(), 2);
        assert_eq!(book.commit(), Common { shared: vec![(63, 1)], highest: 5 });
        assert_eq!((book.ids(), book.children()), (vec![1], BTreeMap::from([(11, 1)])));
    }

    #[test]
    fn parents_take_their_items_along() {
        let mut book = book();
        book.begin();
        book.rekey_parent(7, 8);
        assert_eq!(book.row(1).unwrap().parent, Some(8));
        book.delete_parent(8);
        assert_eq!(
            (book.ids(), book.parents(), book.children()),
            (vec![2], vec![], BTreeMap::from([(12, 2)]))
        );
    }

    #[test]
    fn keys_written_since_a_moment_are_known() {
        let mut book = book();
        let moment = Instant::now();
        book.begin();
        book.put(5, Row::shared(5, 1));
        book.commit();
        assert_eq!(book.written_since(moment).collect::<Vec<_>>(), [5]);
    }
}
