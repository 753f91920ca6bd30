//! What writers do: each deed sends statements and tells the book what must have become of the rows.

mod many;
mod relations;
mod shared;
mod single;
mod tags;

use crate::session::{Result, Trouble};
use crate::turn::Turn;

/// A kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Insert,
    InsertMany,
    Copy,
    Update,
    UpdateMany,
    ToNull,
    Delete,
    DeleteMany,
    Rekey,
    SwapKeys,
    RekeyByQuery,
    Reinsert,
    Flash,
    Upsert,
    NothingOnConflict,
    Merge,
    MoveTag,
    SwapTags,
    ReuseTag,
    NewParent,
    RekeyParent,
    DropParent,
    NewChild,
    DropChild,
    Raise,
    Bump,
    Take,
    MoveShared,
    Savepoint,
    FailInSavepoint,
    Read,
}

/// How often each comes, and whether it can be sent without waiting for answers on the way.
pub const WEIGHTS: &[(Deed, &str, u64, bool)] = &[
    (Deed::Insert, "insert", 10, true),
    (Deed::InsertMany, "insert of several rows", 3, true),
    (Deed::Copy, "COPY", 1, false),
    (Deed::Update, "update", 16, true),
    (Deed::UpdateMany, "update of several rows", 4, true),
    (Deed::ToNull, "update to NULL", 6, true),
    (Deed::Delete, "delete", 6, true),
    (Deed::DeleteMany, "delete of several rows", 2, true),
    (Deed::Rekey, "change of a key", 5, true),
    (Deed::SwapKeys, "swap of two keys", 3, true),
    (Deed::RekeyByQuery, "delete and insert in one query", 2, true),
    (Deed::Reinsert, "delete and insert of one key", 3, true),
    (Deed::Flash, "insert and delete of one key", 2, true),
    (Deed::Upsert, "upsert", 5, true),
    (Deed::NothingOnConflict, "insert that conflicts", 2, true),
    (Deed::Merge, "MERGE", 3, true),
    (Deed::MoveTag, "move of a unique value", 5, true),
    (Deed::SwapTags, "swap of unique values", 3, true),
    (Deed::ReuseTag, "unique value used again", 3, true),
    (Deed::NewParent, "new parent", 2, true),
    (Deed::RekeyParent, "cascading change of a parent's key", 1, true),
    (Deed::DropParent, "cascading delete of a parent", 1, true),
    (Deed::NewChild, "new child", 3, true),
    (Deed::DropChild, "deleted child", 1, true),
    (Deed::Raise, "update of a row of nobody", 4, false),
    (Deed::Bump, "upsert of a row of nobody", 4, false),
    (Deed::Take, "delete of a row of nobody", 2, false),
    (Deed::MoveShared, "change of the key of a row of nobody", 2, false),
    (Deed::Savepoint, "savepoint", 3, false),
    (Deed::FailInSavepoint, "failure in a savepoint", 2, false),
    (Deed::Read, "read", 5, false),
];

impl Turn<'_> {
    /// Chooses a deed and does it.
    pub async fn some_deed(&mut self, nested: bool) -> Result<()> {
        let short = self.book.len() < self.world.traffic.rows * 9 / 10;
        let full = self.book.len() > self.world.traffic.rows * 11 / 10;
        let weight = |deed: Deed, usual: u64, batch: bool| match deed {
            _ if !batch && !self.talks() => 0,
            Deed::Savepoint | Deed::FailInSavepoint if nested => 0,
            Deed::InsertMany | Deed::Copy if short => usual * 4,
            Deed::InsertMany | Deed::Copy if full => 0,
            Deed::DeleteMany if full => usual * 4,
            Deed::DeleteMany | Deed::DropParent if short => 0,
            _ => usual,
        };
        let weights: Vec<u64> =
            WEIGHTS.iter().map(|(deed, _, usual, batch)| weight(*deed, *usual, *batch)).collect();
        let mut roll = self.dice.below(weights.iter().sum());
        for ((deed, name, _, _), weight) in WEIGHTS.iter().zip(weights) {
            if roll < weight {
                self.world.count(name);
                return self.deed(*deed).await;
            }
            roll -= weight;
        }
        unreachable!("the roll lies below the sum")
    }

    async fn deed(&mut self, deed: Deed) -> Result<()> {
        self.may_meet = None;
        match deed {
            Deed::Insert => self.insert().await,
            Deed::InsertMany => self.insert_many().await,
            Deed::Copy => self.copy_many().await,
            Deed::Update => self.update().await,
            Deed::UpdateMany => self.update_many().await,
            Deed::ToNull => self.set_null().await,
            Deed::Delete => self.delete().await,
            Deed::DeleteMany => self.delete_many().await,
            Deed::Rekey => self.rekey().await,
            Deed::SwapKeys => self.swap_keys().await,
            Deed::RekeyByQuery => self.rekey_by_query().await,
            Deed::Reinsert => self.reinsert().await,
            Deed::Flash => self.flash().await,
            Deed::Upsert => self.upsert().await,
            Deed::NothingOnConflict => self.nothing_on_conflict().await,
            Deed::Merge => self.merge().await,
            Deed::MoveTag => self.move_tag().await,
            Deed::SwapTags => self.swap_tags().await,
            Deed::ReuseTag => self.reuse_tag().await,
            Deed::NewParent => self.new_parent().await,
            Deed::RekeyParent => self.rekey_parent().await,
            Deed::DropParent => self.drop_parent().await,
            Deed::NewChild => self.new_child().await,
            Deed::DropChild => self.drop_child().await,
            Deed::Raise => self.raise().await,
            Deed::Bump => self.bump().await,
            Deed::Take => self.take().await,
            Deed::MoveShared => self.move_shared().await,
            Deed::Savepoint => self.savepoint().await,
            Deed::FailInSavepoint => self.fail_in_savepoint().await,
            Deed::Read => self.read().await,
        }
    }

    /// Some deeds in a savepoint, which is taken back or released.
    async fn savepoint(&mut self) -> Result<()> {
        self.ask("SAVEPOINT place").await?;
        self.book.begin();
        for _ in 0..self.dice.between(1, 3) {
            // A future cannot contain itself but in a box.
            Box::pin(self.some_deed(true)).await?;
        }
        if self.dice.chance(60) {
            self.ask("ROLLBACK TO place").await?;
            self.book.drop_layer();
        } else {
            self.ask("RELEASE place").await?;
            self.book.release();
        }
        Ok(())
    }

    /// Deeds that a failing statement takes back.
    async fn fail_in_savepoint(&mut self) -> Result<()> {
        let Some(there) = self.book.some(self.dice) else { return Ok(()) };
        self.ask("SAVEPOINT place").await?;
        self.book.begin();
        self.update().await?;
        let row = self.book.row(there).expect("an update takes no row away").clone();
        let sql = format!("INSERT INTO item ({}) VALUES {}", crate::row::COLUMNS, row.literals(there));
        match self.ask(&sql).await {
            Err(Trouble::Refused { state, .. }) if state == "23505" => {}
            Err(trouble) => return Err(trouble),
            Ok(_) => {
                return Err(Trouble::Wrong(format!(
                    "the key {there} was taken, and could be inserted again"
                )));
            }
        }
        self.ask("ROLLBACK TO place").await?;
        self.book.drop_layer();
        Ok(())
    }

    /// What the writer sees of its own rows is what the book says, at any moment.
    async fn read(&mut self) -> Result<()> {
        let Some(id) = self.book.some(self.dice) else { return Ok(()) };
        let from = id - self.dice.between(0, 20) * crate::world::ROUND;
        let writer = self.writer;
        let sql = format!(
            "SELECT id, n, note FROM item WHERE id BETWEEN {from} AND {id} AND ((id % 64) + 64) % 64 = {writer} ORDER BY id"
        );
        let seen = self.ask(&sql).await?.rows;
        let ids: Vec<i64> = self.book.ids().into_iter().filter(|key| (from..=id).contains(key)).collect();
        let expected: Vec<Vec<Option<String>>> = ids
            .into_iter()
            .filter_map(|key| {
                let row = self.book.row(key)?;
                Some(vec![Some(key.to_string()), Some(row.n.to_string()), row.note.clone()])
            })
            .collect();
        if seen == expected {
            return Ok(());
        }
        if self.older_than_the_swap().await? {
            return Err(Trouble::Stale);
        }
        Err(Trouble::Wrong(format!("{sql} gave {seen:?}, and must give {expected:?}")))
    }
}
