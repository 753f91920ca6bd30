//! The tables that a change keeps its state in, beside the table that it changes.
//!
//! `_cofferdam_online` has a row for each change, with the epoch of who may write; its row is locked in share by every
//! transaction of the change, so that whoever takes over waits for those under way, and later ones do nothing. What a
//! transaction changes often lies in other tables, which only its own kind writes.

use cofferdam_core::fault::Result;
use cofferdam_core::online::Online;
use cofferdam_core::{Code, Fault, Name, Refusal};

use super::super::link::{self, Link};
use super::super::tables::PREFIX;
use super::super::{errors, names};
use super::binlog::Position;
use super::table::{Column, Shape};

/// The tables of one change, as they are written in SQL.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The row of the change is the one with this id.
    pub(super) id: String,
    /// All changes of the database.
    all: String,
    /// The shadow table.
    pub(super) new: String,
    /// Keys that changed: a number, and the key.
    pub(super) log: String,
    /// Ranges of keys that are copied one by one.
    pub(super) chunk: String,
    /// One number that grows: its commits are the marks in the server's log.
    pub(super) mark: String,
    /// Up to where the server's log was read.
    pub(super) place: String,
    /// The names of two of them.
    pub(super) new_name: String,
    pub(super) mark_name: String,
}

/// A column of a key in the tables of the change: no column of the user's has such a name.
pub(super) fn key_column(prefix: &str, at: usize) -> String {
    format!("`{PREFIX}{prefix}{at}`")
}

impl Places {
    pub(super) fn of(database: &str, change: &Online) -> Result<Self> {
        let (schema, id) = (names::quoted(database)?, change.id());
        let own = |what: &str| format!("{schema}.`{PREFIX}{id}_{what}`");
        Ok(Self {
            all: format!("{schema}.`{PREFIX}online`"),
            new: own("new"),
            log: own("log"),
            chunk: own("chunk"),
            mark: own("mark"),
            place: own("place"),
            new_name: format!("{PREFIX}{id}_new"),
            mark_name: format!("{PREFIX}{id}_mark"),
            id,
        })
    }

    /// What locks the change's row in share; no row: another runner has taken over.
    pub(super) fn fenced(&self, epoch: i64) -> String {
        format!(
            "SELECT epoch FROM {} WHERE id = '{}' AND epoch = {epoch} LOCK IN SHARE MODE",
            self.all, self.id
        )
    }

    /// Removes every table of the change.
    pub(super) async fn drop_all(&self, link: &mut Link) -> Result<()> {
        for table in [&self.new, &self.log, &self.chunk, &self.mark, &self.place] {
            run(link, &format!("DROP TABLE IF EXISTS {table}"), "removing the tables of the change").await?;
        }
        Ok(())
    }

    /// Makes the tables beside the shadow.
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
                "CREATE TABLE {} (no bigint NOT NULL PRIMARY KEY, copied tinyint NOT NULL DEFAULT 0, \
                 ended tinyint NOT NULL{}{}) ENGINE = InnoDB",
                self.chunk,
                columns("low"),
                columns("high")
            ),
            format!(
                "CREATE TABLE {} (one tinyint NOT NULL PRIMARY KEY, n bigint unsigned NOT NULL) ENGINE = InnoDB",
                self.mark
            ),
            format!("INSERT INTO {} VALUES (1, 0)", self.mark),
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
        let make = format!(
            "CREATE TABLE IF NOT EXISTS {} (id varchar(64) PRIMARY KEY, `change` longtext NOT NULL, definition longtext NOT NULL, epoch bigint NOT NULL, \
             created tinyint NOT NULL DEFAULT 0, began_at datetime(6) NOT NULL) ENGINE = InnoDB \
             DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            self.all
        );
        run(link, &make, doing).await?;
        let look =
            format!("SELECT `change`, epoch, created, definition FROM {} WHERE id = '{}'", self.all, self.id);
        let json = serde_json::to_string(change)
            .map_err(|e| Fault::Bug(format!("a change cannot be written: {e}")))?;
        let found = rows(link, &look, doing).await?;
        let Some(row) = found.first() else {
            let insert = format!(
                "INSERT INTO {} (id, `change`, definition, epoch, began_at) VALUES ('{}', {}, {}, {epoch}, UTC_TIMESTAMP(6))",
                self.all,
                self.id,
                names::literal(&json),
                names::literal(definition)
            );
            run(link, &insert, doing).await?;
            return Ok(false);
        };
        let unreadable =
            |e| Fault::Bug(format!("the state of {} was written by another version: {e}", change.table));
        let stored: Online =
            serde_json::from_str(&link::text(row, 0).unwrap_or_default()).map_err(unreadable)?;
        if stored != *change {
            return Err(in_progress(&stored).into());
        }
        if link::number(row, 1).is_some_and(|found| found > epoch) {
            return Err(fenced());
        }
        let created = link::number(row, 2) == Some(1);
        if created && link::text(row, 3).as_deref() != Some(definition) {
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

    /// All tables are there.
    pub(super) async fn created(&self, link: &mut Link) -> Result<()> {
        let sql = format!("UPDATE {} SET created = 1 WHERE id = '{}'", self.all, self.id);
        run(link, &sql, "creating the new table").await.map(drop)
    }

    /// The change is over.
    pub(super) async fn forget(&self, link: &mut Link) -> Result<()> {
        let sql = format!("DELETE FROM {} WHERE id = '{}'", self.all, self.id);
        run(link, &sql, "removing the change").await.map(drop)
    }
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

fn in_progress(stored: &Online) -> Refusal {
    Refusal::new(Code::ChangeInProgress, format!("{} is being changed online already", stored.table))
        .cause(format!("by: {}", stored.clauses))
        .help("cofferdam status shows it")
}
