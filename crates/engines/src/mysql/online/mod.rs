//! Online change of a table by a shadow table, on MySQL and MariaDB.
//!
//! [`Ground::examine`] says whether a table on this server can be changed online, [`Ground::follow`] reads from the binary
//! log which of its keys change, and [`Change`] makes the shadow table, fills it, brings it up to date, compares it and
//! swaps it. `trial` looks at what a change would be before it is begun, and `work` is what each part of a change
//! ([`cofferdam_core::online::Part`]) does with it.
//!
//! As on PostgreSQL keys are learned and rows are read again (ADR 8). There a key is logged in the transaction that
//! changed its row, so whoever sees the one sees the other. Here the log of the server tells of a row before the row can
//! be seen. A mark that was written after the key was read, and whose commit was answered, closes the gap: with
//! `binlog_order_commits` (and always on MariaDB) everything before it in the log can be seen by then.

mod apply;
mod behind;
pub mod binlog;
mod busy;
mod change;
mod compare;
mod copy;
mod follow;
mod moved;
mod outside;
mod plant;
mod settings;
mod state;
mod swap;
mod table;
#[cfg(test)]
mod tests;
mod trial;
mod triggers;
mod valve;
mod work;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Name, Refusal};

use super::link::{self, Link};
use super::options::{self, ConnectOptions};
use super::{Flavour, connect, errors};
use crate::Target;
use binlog::{Position, Stream};
use table::Shape;

pub use change::Change;
pub use follow::Reached;
pub(super) use moved::OWN_KEY;
pub(super) use outside::{control, states};
pub(super) use table::referring;
pub(super) use trial::examine;
pub(super) use work::{perform, probe};

/// What was found of a table and its server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// Why it cannot be changed online; empty: it can. Each says what would do.
    pub obstacles: Vec<String>,
    /// What a person should know and does not stop it.
    pub notes: Vec<String>,
    /// The columns of the key by which rows are found on both sides.
    pub key: Vec<String>,
}

/// A connection to the server on which a table is changed.
pub struct Ground {
    link: Link,
    options: ConnectOptions,
    version: u32,
    /// As the server writes it.
    database: String,
}

impl Ground {
    /// Connects.
    pub async fn open(target: &Target) -> Result<Self> {
        let mut options = options::resolve(target.url.as_deref(), |name| std::env::var(name).ok())?;
        options.application_name.clone_from(&target.application);
        options.logins.clone_from(&target.logins);
        Self::connect(options).await
    }

    async fn connect(options: ConnectOptions) -> Result<Self> {
        let connected = connect::connect(&options).await?;
        let (mut link, version) = (connected.link, connected.version);
        // A default of a TIMESTAMP is shown as of the session's zone, and every connection of a change must read the same.
        let zone = link.run("SET SESSION time_zone = '+00:00'").await;
        zone.map_err(|e| errors::fault(e, "setting up a connection"))?;
        let rows = link.rows("SELECT DATABASE()", vec![]).await;
        let rows = rows.map_err(|e| errors::fault(e, "asking for the database's name"))?;
        let database = rows.first().and_then(|row| link::text(row, 0)).unwrap_or_default();
        Ok(Self { link, options, version, database })
    }

    /// Looks whether a table can be changed online. Nothing is changed. A right that is missing is an obstacle as well:
    /// the log is opened for a moment.
    pub async fn examine(&mut self, table: &Name) -> Result<Findings> {
        let found = table::read(&mut self.link, &self.database, table).await?;
        let primary = found.shape.as_ref().is_none_or(Shape::primary);
        let fit = settings::read(&mut self.link, self.version, &self.database, primary).await;
        let mut findings = Findings { obstacles: found.obstacles, notes: found.notes, ..Findings::default() };
        match fit {
            Ok(fit) => {
                findings.obstacles.extend(fit.obstacles);
                findings.notes.extend(fit.notes);
            }
            Err(fault) => findings.obstacles.push(missing(fault)?),
        }
        if self.link.flavour == Flavour::MySql && self.version < 80_013 {
            findings.obstacles.push(
                "MySQL before 8.0.13 does not rename tables that are locked, which the swap takes: use a newer server".into(),
            );
        }
        let Some(shape) = found.shape else { return Ok(findings) };
        findings.key = shape.key_columns().map(|column| column.name.clone()).collect();
        if findings.obstacles.is_empty()
            && let Err(fault) = self.try_log(&shape).await
        {
            findings.obstacles.push(missing(fault)?);
        }
        Ok(findings)
    }

    /// A transaction that was prepared with XA and not ended may change the table at any later time.
    async fn try_log(&mut self, shape: &Shape) -> Result<()> {
        let at = self.position().await?;
        let mut stream = Stream::open(&self.options, shape.watched(""), at).await?;
        stream.answered().await?;
        // Whoever may not ask learns it from the log, once such a transaction ends.
        let prepared = self.link.said("XA RECOVER").await.unwrap_or_default();
        if prepared.is_empty() {
            return Ok(());
        }
        let what = format!("{} transactions are prepared with XA and not ended", prepared.len());
        Err(Refusal::new(Code::NotOnline, what)
            .cause("what they changed stands in the log already and can be seen at any later time")
            .help("XA RECOVER names them; XA COMMIT or XA ROLLBACK ends them")
            .into())
    }

    /// Where the server's log ends now.
    pub async fn position(&mut self) -> Result<Position> {
        let ending = binlog::ending(&mut self.link, self.version).await?;
        let ending = ending.ok_or_else(|| {
            Refusal::new(Code::BinlogUnfit, "the server writes no binary log")
                .help("start it with log_bin = NAME and binlog_format = ROW")
        })?;
        Ok(ending.position)
    }

    /// Follows a table in the log, from a position on. `marks` is the name of a table beside it with two columns, of
    /// which the second is a number: what is written there comes back as [`binlog::Item::Mark`].
    pub async fn follow(&mut self, table: &Name, marks: &str, from: Position) -> Result<Stream> {
        let found = table::read(&mut self.link, &self.database, table).await?;
        let Some(shape) = found.shape else { return Err(refused(table, &found.obstacles)) };
        Stream::open(&self.options, shape.watched(marks), from).await
    }
}

/// What a person is told of an obstacle that came as an error; what may pass by itself stays one.
fn missing(fault: cofferdam_core::Fault) -> Result<String> {
    match fault {
        cofferdam_core::Fault::Refused(refusal) if refusal.code != Code::ConnectionLost => {
            let said = [Some(refusal.what.clone()), refusal.cause.clone(), refusal.help.clone()];
            Ok(said.into_iter().flatten().collect::<Vec<_>>().join(": "))
        }
        other => Err(other),
    }
}

/// The refusal that names every obstacle.
fn refused(table: &Name, obstacles: &[String]) -> cofferdam_core::Fault {
    let refusal = Refusal::new(Code::NotOnline, format!("{table} cannot be changed online"))
        .help("see the reasons; nothing was changed");
    obstacles.iter().fold(refusal, |refusal, why| refusal.note(why.clone())).into()
}
