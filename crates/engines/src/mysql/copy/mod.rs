//! Rows out of tables and into them, for backups.
//!
//! They are read by `SELECT` in one consistent snapshot of InnoDB and written by `INSERT`, as texts in the character sets
//! of their columns: nothing is converted on the way. What a setting would change of a value is found by its hash.

mod columns;
mod dump;
mod fill;
mod lines;
mod restore;
mod shape;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};

use cofferdam_core::backup::{Origin, Shape, Sum};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Name, Refusal};

use super::link::{self, Link};
use super::options::ConnectOptions;
use super::session::MySqlSession;
use super::{connect, errors, names};
use crate::copy::{Copier, Existing, Moment, Rows, Wanted};

/// Zero dates, rows of an ENUM without a member and 0 in a column that counts by itself are values like any other here;
/// whatever is changed to fit is another sum. The times of a TIMESTAMP are those of UTC.
const SETTINGS: &[&str] = &[
    "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00', \
     lock_wait_timeout = 10, innodb_lock_wait_timeout = 10, net_read_timeout = 86400, net_write_timeout = 86400, \
     sql_select_limit = DEFAULT, sql_big_selects = 1, sql_safe_updates = 0, foreign_key_checks = 1",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE",
];
/// Else the rows of a table of the session's own go to the replicas, too, where the log has statements. Not everybody may.
const NOT_LOGGED: &str = "SET SESSION binlog_format = ROW";
/// Nothing is converted between the server and us.
const RAW: &str = "SET NAMES binary";
/// As the statements are written.
const WORDS: &str = "SET NAMES utf8mb4";
/// A row may be as long as the protocol allows.
const LARGEST: usize = 1 << 30;
/// Bytes that are handed on at once, at least.
const PIECE: usize = 128 * 1024;
/// Every hash is below it, and so is every sum of them that can be: a hash that could not be made is so large.
const NO_HASH: &str = "1000000000000000000000000000000000";

pub(super) struct MySqlCopier {
    /// Shared with the stream of rows that is being read.
    link: Arc<Mutex<Link>>,
    options: ConnectOptions,
    database: String,
    version_text: String,
}

impl MySqlCopier {
    pub(super) async fn open(session: &MySqlSession, purpose: &str) -> Result<Self> {
        let mut options = session.options.clone();
        options.application_name = format!("cofferdam {purpose}");
        let mut link = connect::connect_taking(&options, Some(LARGEST)).await?.link;
        for sql in SETTINGS {
            run(&mut link, sql, "setting up a connection").await?;
        }
        let _ = link.run(NOT_LOGGED).await;
        Ok(Self {
            link: Arc::new(Mutex::new(link)),
            options,
            database: session.database.clone(),
            version_text: session.version_text.clone(),
        })
    }
}

#[async_trait]
impl Copier for MySqlCopier {
    async fn begin(&mut self) -> Result<Moment> {
        let mut link = self.link.lock().await;
        let doing = "beginning a snapshot";
        // The time before the snapshot: what was written later may be in it, and nothing earlier is missing.
        let time = "SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ')";
        let rows = link.said(time).await.map_err(|e| errors::fault(e, doing))?;
        let at = rows.first().and_then(|row| link::text(row, 0)).unwrap_or_default();
        run(&mut link, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", doing).await?;
        Ok(Moment { at, lsn: String::new() })
    }

    async fn shapes(&mut self, wanted: &Wanted) -> Result<Vec<Shape>> {
        shape::wanted(&mut *self.link.lock().await, &self.database, wanted).await
    }

    async fn sum(&mut self, shape: &Shape) -> Result<Sum> {
        let from = names::qualified(&self.database, &shape.table)?;
        sum_of(&mut *self.link.lock().await, &from, shape).await
    }

    async fn out(&mut self, shape: &Shape) -> Result<Rows> {
        let from = names::qualified(&self.database, &shape.table)?;
        let sql = format!("SELECT {} FROM {from} t", columns::read(shape)?);
        let doing = format!("reading the rows of {}", shape.table);
        let link = self.link.clone().lock_owned().await;
        let (to, from) = mpsc::channel(2);
        let reading = tokio::spawn(async move { read(link, &sql, &to, &doing).await });
        let rows = futures::stream::unfold(Some((from, reading)), |state| async {
            let (mut from, reading) = state?;
            match from.recv().await {
                Some(piece) => Some((Ok(piece), Some((from, reading)))),
                None => ended(reading.await).err().map(|fault| (Err(fault), None)),
            }
        });
        Ok(rows.boxed())
    }

    async fn end(&mut self) -> Result<()> {
        run(&mut *self.link.lock().await, "ROLLBACK", "ending a snapshot").await
    }

    async fn rehearse(&mut self, shape: &Shape, rows: Rows) -> Result<Sum> {
        fill::rehearse(&mut *self.link.lock().await, &self.database, shape, rows).await
    }

    async fn restore(
        &mut self,
        shape: &Shape,
        rows: Rows,
        into: &Name,
        existing: Existing,
        expected: &Sum,
    ) -> Result<()> {
        let into = Name::qualified(into.schema.as_deref().unwrap_or(&self.database), into.name.as_str());
        restore::restore(&mut *self.link.lock().await, shape, rows, (&into, existing), expected).await
    }

    async fn whole(&mut self) -> Result<(String, Rows)> {
        dump::whole(&mut *self.link.lock().await, &self.options, &self.database).await
    }

    async fn origin(&mut self) -> Result<Origin> {
        let mut link = self.link.lock().await;
        let rows = link.said("SELECT @@hostname, @@port").await;
        let rows = rows.map_err(|e| errors::fault(e, "asking for the server's name"))?;
        let text = |at| rows.first().and_then(|row| link::text(row, at)).unwrap_or_default();
        Ok(Origin {
            server_version: self.version_text.clone(),
            server: format!("{}:{}", text(0), text(1)),
            database: self.database.clone(),
            lsn: String::new(),
        })
    }
}

async fn run(link: &mut Link, sql: &str, doing: &str) -> Result<()> {
    link.run(sql).await.map(drop).map_err(|e| errors::fault(e, doing))
}

/// Sends the rows of a query as lines, until nobody wants them any more.
async fn read(
    mut link: OwnedMutexGuard<Link>,
    sql: &str,
    to: &mpsc::Sender<Bytes>,
    doing: &str,
) -> Result<()> {
    run(&mut link, RAW, doing).await?;
    let mut lines = BytesMut::new();
    let piece = |row| {
        lines::write(&row, &mut lines);
        (lines.len() >= PIECE).then(|| lines.split().freeze())
    };
    link.each(sql, piece, to).await.map_err(|e| errors::fault(e, doing))?;
    if !lines.is_empty() {
        let _ = to.send(lines.freeze()).await;
    }
    run(&mut link, WORDS, doing).await
}

/// A reader that ended without a word has not read everything.
fn ended(reading: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    reading.map_err(|e| Fault::Bug(format!("reading rows: {e}")))?
}

/// How many rows a table has, and the sum of their hashes.
async fn sum_of(link: &mut Link, from: &str, shape: &Shape) -> Result<Sum> {
    let doing = format!("counting the rows of {}", shape.table);
    let hash = format!("COALESCE(CAST({} AS DECIMAL(20)), {NO_HASH})", columns::hash(shape)?);
    let sql = format!("SELECT COUNT(*), CAST(COALESCE(SUM({hash}), 0) AS CHAR) FROM {from} t");
    let rows = link.said(&sql).await.map_err(|e| errors::fault(e, &doing))?;
    let row = rows.first();
    let rows = row.and_then(|row| link::number(row, 0)).and_then(|rows| u64::try_from(rows).ok());
    let hash = row.and_then(|row| link::text(row, 1)).unwrap_or_default();
    match (rows, hash.parse::<u128>()) {
        (Some(rows), Ok(sum)) if sum.to_string().len() < NO_HASH.len() => Ok(Sum { rows, hash }),
        _ => Err(Refusal::new(
            Code::BackupNotTaken,
            format!("the rows of {} cannot be compared", shape.table),
        )
        .cause("the server gave no hash of a value, which may be longer than its max_allowed_packet")
        .help("raise max_allowed_packet on the server, or save the table with mysqldump or mariadb-dump")
        .into()),
    }
}

/// A backup of another kind of database cannot be read here.
fn refuse_other_encoding(shape: &Shape) -> Result<()> {
    if shape.encoding == cofferdam_core::backup::Encoding::LoadData {
        return Ok(());
    }
    Err(Refusal::new(Code::RestoreRefused, format!("{} cannot be restored here", shape.table))
        .cause("its rows were saved on PostgreSQL")
        .help("restore it into a PostgreSQL database")
        .into())
}
