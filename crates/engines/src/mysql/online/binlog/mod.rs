//! Following one table in the server's binary log: which keys its transactions changed.
//!
//! Only keys are read. What a row holds is read again from the table itself, by the server, so that a copied row and one
//! that was brought over later are made by the same statement (ADR 25). The bytes of all other columns are stepped over.

mod bytes;
mod events;
mod statement;
mod stream;
mod types;

pub use stream::{Item, Stream};
pub(super) use types::Kind;

use serde::{Deserialize, Serialize};

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Refusal};

use super::super::link::{self, Link};
use super::super::{Flavour, errors};

/// A place in the binary log of one server: between two transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which server it is in; on another one it means nothing.
    pub server: String,
    /// The file.
    pub file: String,
    /// The byte in it.
    pub at: u64,
}

/// `binlog.000007:1234`.
impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.at)
    }
}

/// The key of a row: a literal for each of its columns, in the key's order.
pub type Key = Vec<String>;

/// Which table is followed, and what of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Its database, as the server writes it.
    pub(crate) database: String,
    /// Its name, as the server writes it.
    pub(crate) table: String,
    /// How many columns it has; those that nobody sees may be in the log or not.
    pub(crate) columns: std::ops::RangeInclusive<usize>,
    /// The columns of the key: which one of the table it is, from 0, and what it holds.
    pub(crate) key: Vec<(usize, Kind)>,
    /// The table of marks, in the same database: see [`Item::Mark`].
    pub(crate) marks: String,
    /// The statement of ours by which the table came to its place, where that is still to be read: what was written to the
    /// one that had its name before is passed over. Empty: it was there all the time.
    pub(crate) turn: String,
    /// Triggers of ours, which are no change of the table.
    pub(crate) triggers: Vec<String>,
}

/// Which server it is: a position means nothing on another one. MariaDB has no identity that others can read, so there
/// it is made of what two servers do not share.
pub(super) async fn server(link: &mut Link) -> Result<String> {
    let sql = match link.flavour {
        Flavour::MySql => "SELECT @@GLOBAL.server_uuid",
        Flavour::MariaDb => {
            "SELECT CONCAT_WS(' ', @@GLOBAL.hostname, @@GLOBAL.port, @@GLOBAL.server_id, @@GLOBAL.datadir)"
        }
    };
    let rows = link.rows(sql, vec![]).await;
    let rows = rows.map_err(|e| errors::fault(e, "asking which server it is"))?;
    Ok(rows.first().and_then(|row| link::text(row, 0)).unwrap_or_default())
}

/// What the server says of the end of its log: where it is, and which databases it leaves out.
pub(super) struct Ending {
    pub(super) position: Position,
    /// Only these databases are logged; empty: all.
    pub(super) only: Vec<String>,
    /// These are not.
    pub(super) without: Vec<String>,
}

/// Asks for the end of the log. `None`: there is no log.
pub(super) async fn ending(link: &mut Link, version: u32) -> Result<Option<Ending>> {
    let sql = match link.flavour {
        Flavour::MySql if version >= 80_200 => "SHOW BINARY LOG STATUS",
        _ => "SHOW MASTER STATUS",
    };
    let doing = "asking for the end of the binary log";
    let rows = link.said(sql).await.map_err(|e| errors::fault(e, doing))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let list = |at| {
        let text = link::text(row, at).unwrap_or_default();
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let (file, at) = (link::text(row, 0).unwrap_or_default(), link::number(row, 1).unwrap_or(0));
    let (only, without) = (list(2), list(3));
    let server = server(link).await?;
    Ok(Some(Ending { position: Position { server, file, at: at.unsigned_abs() }, only, without }))
}

/// The refusal for what cannot be followed.
fn unread(watched: &Watched, at: &Position, why: impl Into<String>) -> Refusal {
    let table = &watched.table;
    Refusal::new(Code::BinlogUnread, format!("the binary log cannot be followed for {table} from {at} on"))
        .cause(why)
        .help("remove the cause, then start again: the table itself was not touched")
}
