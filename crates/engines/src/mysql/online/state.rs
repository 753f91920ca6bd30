//! The tables that a change keeps its state in, beside the table that it changes.
//!
//! `_cofferdam_online` has a row for each change, with the epoch of who may write; its row is locked in share by every
//! transaction of the change, so that whoever takes over waits for those under way, and later ones do nothing. What a
//! transaction changes often lies in other tables, which only its own kind writes.

use cofferdam_core::fault::Result;
use cofferdam_core::online::{Online, Part};
use cofferdam_core::{Code, Fault, Name, Refusal, failpoint};

use super::super::link::{self, Link};
use super::super::tables::PREFIX;
use super::super::{errors, names};
use super::binlog::Position;
use super::outside;
use super::table::{Column, Shape};
use crate::online::part_of;

/// What a fault says, in a few words.
pub(super) fn in_short(fault: &Fault) -> String {
    fault.refusal().map_or_else(|| "the server".to_owned(), |refusal| refusal.what.clone())
}

/// The direction in which rows flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the table into its shadow, until the swap.
    Forward,
    /// From the new table into the old one, to take the swap back.
    Back,
}

/// The tables of one change, as they are written in SQL.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The row of the change is the one with this id.
    pub(super) id: String,
    pub(super) direction: Direction,
    /// All changes of the database.
    pub(super) all: String,
    /// The table that follows: the shadow table, on the way back the old one.
    pub(super) new: String,
    /// Where the new table is before the swap.
    pub(super) shadow: String,
    /// Where the old table is after it.
    pub(super) old: String,
    /// Keys that changed: a number, and the key.
    pub(super) log: String,
    /// Ranges of keys that are copied one by one, and compared one by one: how many rows each `held` when it was cut,
    /// whether it is `copied`, and since which second the server had been running when it was `compared` (0: it was not).
    pub(super) chunk: String,
    /// One number that grows: its commits are the marks in the server's log.
    pub(super) mark: String,
    /// Up to where the server's log was read.
    pub(super) place: String,
    /// A table that is never there.
    pub(super) nothing: String,
    /// The names of two of them.
    pub(super) new_name: String,
    pub(super) mark_name: String,
}

/// A column of a key in the tables of the change: no column of the user's has such a name.
pub(super) fn key_column(prefix: &str, at: usize) -> String {
    format!("`{PREFIX}{prefix}{at}`")
}

impl Places {
    /// Each direction has a log, chunks and a position of its own: the types of the key may differ.
    pub(super) fn of(database: &str, change: &Online, direction: Direction) -> Result<Self> {
        let (schema, id) = (names::quoted(database)?, change.id());
        let own = |what: &str| format!("{schema}.`{PREFIX}{id}_{what}`");
        let (follower, prefix) = match direction {
            Direction::Forward => ("new", ""),
            Direction::Back => ("old", "back_"),
        };
        Ok(Self {
            all: outside::table(database)?,
            new: own(follower),
            shadow: own("new"),
            old: own("old"),
            log: own(&format!("{prefix}log")),
            chunk: own(&format!("{prefix}chunk")),
            mark: own("mark"),
            place: own(&format!("{prefix}place")),
            nothing: own("nothing"),
            new_name: format!("{PREFIX}{id}_{follower}"),
            mark_name: format!("{PREFIX}{id}_mark"),
            direction,
            id,
        })
    }

    /// The name of the trigger that keeps the follower the same for a moment: `insert`, `update` or `delete`.
    pub(super) fn trigger(&self, event: &str) -> String {
        format!("{PREFIX}{}_{event}", self.id)
    }

    /// What locks the change's row in share; no row: another runner has taken over.
    pub(super) fn fenced(&self, epoch: i64) -> String {
        format!(
            "SELECT epoch FROM {} WHERE id = '{}' AND epoch = {epoch} LOCK IN SHARE MODE",
            self.all, self.id
        )
    }

    /// Removes the tables of this direction, and the one of marks.
    pub(super) async fn drop_beside(&self, link: &mut Link) -> Result<()> {
        for table in [&self.log, &self.chunk, &self.place, &self.mark] {
            run(link, &format!("DROP TABLE IF EXISTS {table}"), "removing the tables of the change").await?;
        }
        Ok(())
    }

    /// Makes the table of marks.
    pub(super) async fn create_mark(&self, link: &mut Link) -> Result<()> {
        for sql in [
            format!(
                "CREATE TABLE {} (one tinyint NOT NULL PRIMARY KEY, n bigint unsigned NOT NULL) ENGINE = InnoDB",
                self.mark
            ),
            format!("INSERT INTO {} VALUES (1, 0)", self.mark),
        ] {
            run(link, &sql, "creating the tables of the change").await?;
        }
        Ok(())
    }

    /// Makes the tables of this direction beside the follower; the shape is that of the table that is followed.
    pub(super) async fn create(&self, link: &mut Link, shape: &Shape) -> Result<()> {
        let columns = |prefix: &str| -> String {
            let column = |(at, column): (usize, &Column)| {
                // May be NULL, so that the server adds nothing to a TIMESTAMP by itself.
                format!(", {} {} NULL", key_column(prefix, at), column.definition())
            };
            shape.key_columns().enumerate().map(column).collect()
        };
        let keys: Vec<String> = (0..shape.key.len()).map(|at| key_column("k", at)).collect();
        for sql in [
            format!(
                "CREATE TABLE {} (seq bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY{}, KEY ({})) ENGINE = InnoDB",
                self.log,
                columns("k"),
                keys.join(", ")
            ),
            format!(
                "CREATE TABLE {} (no bigint NOT NULL PRIMARY KEY, held bigint NOT NULL, \
                 copied tinyint NOT NULL DEFAULT 0, compared bigint NOT NULL DEFAULT 0, ended tinyint NOT NULL{}{}) ENGINE = InnoDB",
                self.chunk,
                columns("low"),
                columns("high")
            ),
            format!(
                "CREATE TABLE {} (one tinyint NOT NULL PRIMARY KEY, position text NOT NULL) \
                 ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4",
                self.place
            ),
        ] {
            run(link, &sql, "creating the tables of the change").await?;
        }
        Ok(())
    }

    /// Writes down up to where the server's log was read, within the open transaction.
    pub(super) async fn reached(&self, link: &mut Link, at: &Position) -> Result<()> {
        let json = serde_json::to_string(at)
            .map_err(|e| Fault::Bug(format!("a position cannot be written: {e}")))?;
        let text = names::literal(&json);
        let sql = format!(
            "INSERT INTO {} VALUES (1, {text}) ON DUPLICATE KEY UPDATE position = {text}",
            self.place
        );
        run(link, &sql, "writing down the position").await.map(drop)
    }

    /// Up to where the server's log was read; `None`: it was not begun.
    pub(super) async fn position(&self, link: &mut Link) -> Result<Option<Position>> {
        let doing = "reading the position";
        let rows = rows(link, &format!("SELECT position FROM {}", self.place), doing).await?;
        let Some(json) = rows.first().and_then(|row| link::text(row, 0)) else { return Ok(None) };
        let unreadable = |e| Fault::Bug(format!("the position was written by another version: {e}"));
        serde_json::from_str(&json).map(Some).map_err(unreadable)
    }

    /// Makes the row of the change, or takes it over. Whether its tables are all there.
    pub(super) async fn adopt(
        &self,
        link: &mut Link,
        change: &Online,
        definition: &str,
        epoch: i64,
    ) -> Result<bool> {
        let doing = "reading the state of the change";
        outside::create(link, &self.all).await?;
        let json = serde_json::to_string(change)
            .map_err(|e| Fault::Bug(format!("a change cannot be written: {e}")))?;
        let Some(stored) = self.stored(link, change).await? else {
            let insert = format!(
                "INSERT INTO {} (id, `change`, definition, epoch, began_at, updated_at) \
                 VALUES ('{}', {}, {}, {epoch}, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
                self.all,
                self.id,
                names::literal(&json),
                names::literal(definition)
            );
            run(link, &insert, doing).await?;
            return outside::forget_asked(link, &self.all, &self.id).await.map(|()| false);
        };
        if stored.change != *change {
            return Err(in_progress(&stored.change).into());
        }
        if stored.epoch > epoch {
            return Err(fenced());
        }
        let created = stored.stage.is_some();
        if created && stored.definition != definition {
            return Err(definition_changed(&change.table));
        }
        let sql = format!(
            "UPDATE {} SET epoch = {epoch}, definition = {} WHERE id = '{}'",
            self.all,
            names::literal(definition),
            self.id
        );
        run(link, &sql, "taking over the change").await?;
        Ok(created)
    }

    /// What is stored of the change; `None`: nothing is.
    pub(super) async fn stored(&self, link: &mut Link, change: &Online) -> Result<Option<Stored>> {
        let doing = "reading the state of the change";
        if !outside::there(link, &self.all).await? {
            return Ok(None);
        }
        let look = format!(
            "SELECT `change`, epoch, definition, stage, poisoned, turned_at FROM {} WHERE id = '{}'",
            self.all, self.id
        );
        let found = rows(link, &look, doing).await?;
        let Some(row) = found.first() else { return Ok(None) };
        let unreadable = |e: serde_json::Error| {
            Fault::Bug(format!("the state of {} was written by another version: {e}", change.table))
        };
        let turned_at = link::text(row, 5).map(|json| serde_json::from_str(&json).map_err(unreadable));
        Ok(Some(Stored {
            change: serde_json::from_str(&link::text(row, 0).unwrap_or_default()).map_err(unreadable)?,
            epoch: link::number(row, 1).unwrap_or(0),
            definition: link::text(row, 2).unwrap_or_default(),
            stage: link::text(row, 3).and_then(|word| part_of(&word)),
            poisoned: link::text(row, 4),
            turned_at: turned_at.transpose()?,
        }))
    }

    /// The statement that writes down which part ended.
    pub(super) fn stage_sql(&self, part: Part, epoch: i64) -> String {
        let swapped = match part {
            Part::Swap => ", swapped_at = UTC_TIMESTAMP(6)",
            Part::Gate => ", swapped_at = NULL",
            _ => "",
        };
        format!(
            "UPDATE {} SET stage = '{}'{swapped}, updated_at = UTC_TIMESTAMP(6) WHERE id = '{}' AND epoch = {epoch}",
            self.all,
            part.word(),
            self.id
        )
    }

    /// Writes down which part ended.
    pub(super) async fn ended(&self, link: &mut Link, part: Part, epoch: i64) -> Result<()> {
        run(link, &self.stage_sql(part, epoch), "writing the state").await.map(drop)
    }

    /// Which of the two places is taken says on which side of the swap the change is: both tables move in one statement.
    pub(super) async fn sides(&self, link: &mut Link) -> Result<Sides> {
        let (shadow, old) =
            (outside::there(link, &self.shadow).await?, outside::there(link, &self.old).await?);
        Ok(match (shadow, old) {
            (true, false) => Sides::Before,
            (false, true) => Sides::After,
            (false, false) => Sides::Neither,
            (true, true) => Sides::Both,
        })
    }

    /// The change is over.
    pub(super) async fn forget(&self, link: &mut Link) -> Result<()> {
        outside::forget_asked(link, &self.all, &self.id).await?;
        let sql = format!("DELETE FROM {} WHERE id = '{}'", self.all, self.id);
        run(link, &sql, "removing the change").await.map(drop)
    }
}

/// What is stored of a change.
pub(super) struct Stored {
    pub(super) change: Online,
    /// Of the table that is followed.
    pub(super) definition: String,
    epoch: i64,
    /// The last part that ended; `None`: none did.
    pub(super) stage: Option<Part>,
    /// Why nobody may swap.
    pub(super) poisoned: Option<String>,
    /// Where the server's log ended a moment before the swap.
    pub(super) turned_at: Option<Position>,
}

/// Where the two tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sides {
    /// The shadow waits for the swap.
    Before,
    /// The tables are swapped, and the old one waits.
    After,
    /// Neither is there.
    Neither,
    /// No statement of ours leaves that.
    Both,
}

/// A place at which a test lets the process die, or the connection break.
pub(super) fn crash_at(name: &'static str) -> Result<()> {
    if failpoint::hit(name) { Err(errors::lost(&format!("failpoint {name}"))) } else { Ok(()) }
}

/// Runs one statement and gives its number of warnings.
pub(super) async fn run(link: &mut Link, sql: &str, doing: &str) -> Result<u16> {
    link.run(sql).await.map_err(|e| errors::fault(e, doing))
}

/// Runs one statement and gives its rows.
pub(super) async fn rows(link: &mut Link, sql: &str, doing: &str) -> Result<Vec<mysql_async::Row>> {
    link.said(sql).await.map_err(|e| errors::fault(e, doing))
}

/// Opens a transaction that writes only while the change is ours.
pub(super) async fn begin(link: &mut Link, places: &Places, epoch: i64) -> Result<()> {
    let doing = "opening a transaction";
    run(link, "START TRANSACTION", doing).await?;
    if rows(link, &places.fenced(epoch), doing).await?.is_empty() {
        rollback(link).await;
        return Err(fenced());
    }
    Ok(())
}

/// Ends the transaction without its effects. If the connection is gone, so is the transaction.
pub(super) async fn rollback(link: &mut Link) {
    let _ = link.run("ROLLBACK").await;
}

pub(super) fn fenced() -> Fault {
    Refusal::new(Code::Fenced, "another runner has taken over the online change")
        .cause("its row holds another epoch than ours, so nothing was written")
        .help("cofferdam status")
        .into()
}

pub(super) fn definition_changed(table: &Name) -> Fault {
    Refusal::new(Code::TableChanged, format!("the definition of {table} was changed by somebody else"))
        .cause("the change was begun with the definition as it was then")
        .help("start again: the table is looked at as it is now")
        .into()
}

pub(super) fn in_progress(stored: &Online) -> Refusal {
    Refusal::new(Code::ChangeInProgress, format!("{} is being changed online already", stored.table))
        .cause(format!("by: {}", stored.clauses))
        .help("cofferdam status shows it")
}
