//! How a history is written in the terms of a tool: rows of its table to what is applied, and back.
//!
//! Pure: an engine reads and writes the rows, a codec says what is in them. Tools differ in more than columns.
//! Flyway appends a row to take one back, goose deletes it, golang-migrate has one row for all. So a codec reads
//! its whole table at once, beside the bundle, and answers an event with the writes that the tool would do.
//! Nothing is ever written that the tool itself would not write, and no table of a tool is begun in a directory that
//! is not its own.

pub mod atlas;
pub mod dbmate;
pub mod drizzle;
pub mod flyway;
pub mod golang_migrate;
pub mod goose;
pub mod own;
pub mod sqlx;

use cofferdam_core::history::{Applied, Unfinished};
use cofferdam_core::ident::IdentError;
use cofferdam_core::{Bundle, Name, Refusal};

/// One row as texts, in the order of [`HistoryCodec::columns`]; `None` is NULL. Times are RFC 3339 in UTC, `bytea`
/// is `\x` and hex, the rest is as PostgreSQL writes it.
pub type Cells = Vec<Option<String>>;

/// What a table says, or which of its rows nobody can read.
pub type Read = Result<History, Box<Refusal>>;

/// What is written, or why the tool has no way of saying it.
pub type Writes = Result<Vec<Write>, Box<Refusal>>;

/// What a table says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// What is applied, by rank.
    pub applied: Vec<Applied>,
    /// What was begun and did not end well. Nothing is to be applied while there is one.
    pub unfinished: Vec<Unfinished>,
}

/// What a codec looks at beside the row that it writes about.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// All rows of the table, read in the transaction that writes.
    pub rows: &'a [Cells],
    /// The directory, where there is one.
    pub bundle: &'a Bundle,
    /// The directory's path as in [`crate::Tree::root`].
    pub root: &'a str,
}

static NOTHING: Bundle = Bundle { format: "", migrations: Vec::new(), skipped: Vec::new() };

impl Context<'static> {
    /// For the codec of Cofferdam's own table, which looks at nothing.
    pub fn nothing() -> Self {
        Self { rows: &[], bundle: &NOTHING, root: "" }
    }
}

/// How one tool writes its history.
pub struct HistoryCodec {
    /// The tool, as in `--history`.
    pub id: &'static str,
    /// The formats of directories that the tool reads; empty for any.
    pub formats: &'static [&'static str],
    /// The schema in which the table lies; `None` is that of the connection.
    pub schema: Option<&'static str>,
    /// The table's name, unless the user gave it another.
    pub table: &'static str,
    /// Its columns, with the type that a text is cast to when it is written.
    pub columns: &'static [Column],
    /// The columns by which one row is found.
    pub key: &'static [&'static str],
    /// All rows of the table, in any order, to what they say. The bundle is for tools that store only how far they
    /// got, or no names.
    pub read: fn(rows: &[Cells], bundle: &Bundle) -> Read,
    /// What is written when this was applied, in the same transaction. A baseline is one of these.
    pub applied: fn(&Applied, &Context<'_>) -> Writes,
    /// What is written when this was taken back; its `undone_at` is set.
    pub undone: fn(&Applied, &Context<'_>) -> Writes,
    /// What is written when the file of this, which is applied, is accepted as it is now: checksum and description are
    /// those of the file.
    pub amended: fn(&Applied, &Context<'_>) -> Writes,
    /// The mark of what is begun, for what takes more than one transaction; `None` where the tool has none.
    pub mark: Option<Mark>,
    /// The statements that make the table as the tool makes it, where the first record is ours. Empty for
    /// Cofferdam's own, which the engine makes.
    pub create: fn(&Name) -> Result<Vec<String>, IdentError>,
    /// The lock that keeps the tool away; `None` where it takes none.
    pub lock: fn(&Place<'_>) -> Option<Lock>,
    /// How the tool has it on MySQL and MariaDB; `None`: its history is not kept there.
    pub mysql: Option<&'static OnMySql>,
}

/// What a tool does otherwise on MySQL and MariaDB, whose DDL commits by itself: what is applied and the row that says so
/// are seldom one transaction there.
pub struct OnMySql {
    /// The statement that makes the table as the tool makes it, if it is not there.
    pub create: fn(&Name) -> Result<String, IdentError>,
    /// The row with which the tool begins its table, in a table that has none.
    pub first: Option<fn() -> Write>,
    /// See [`HistoryCodec::mark`].
    pub mark: Option<Mark>,
    /// The names of the locks of `GET_LOCK` that keep the tool away.
    pub locks: fn(&Place<'_>) -> Vec<String>,
}

/// A kind of server, where tools do not do the same on each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    #[default]
    PostgreSql,
    /// MySQL or MariaDB.
    MySql,
}

impl HistoryCodec {
    /// The mark that the tool has on such a server.
    pub fn mark_on(&self, server: Server) -> Option<Mark> {
        match server {
            Server::PostgreSql => self.mark,
            Server::MySql => self.mysql.and_then(|mysql| mysql.mark),
        }
    }

    /// The schema that the tool makes for its table on such a server. On MySQL a schema is a database, and the table lies
    /// in the one that is changed.
    pub fn schema_on(&self, server: Server) -> Option<&'static str> {
        self.schema.filter(|_| server == Server::PostgreSql)
    }

    /// Its history is read and written on such a server.
    pub fn is_kept_on(&self, server: Server) -> bool {
        server == Server::PostgreSql || self.mysql.is_some()
    }
}

/// Which way a migration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is applied.
    Up,
    /// It is taken back.
    Down,
}

/// How a tool marks what is begun, so that it does not begin itself before that has ended.
#[derive(Clone, Copy)]
pub struct Mark {
    /// What is written before the first transaction.
    pub began: fn(&Applied, Way, &Context<'_>) -> Writes,
    /// What is written when it came to nothing, and everything is as it was.
    pub given_up: fn(&Applied, Way, &Context<'_>) -> Writes,
}

/// Where a history lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The database's name.
    pub database: &'a str,
    /// The schema of the table.
    pub schema: &'a str,
    /// The table.
    pub table: &'a str,
}

/// Advisory locks of PostgreSQL with one key of 64 bits each. Whichever way the tool holds it, it is to be taken with
/// `pg_try_advisory_lock`, on the session that works: no transaction may stay open while `CREATE INDEX CONCURRENTLY`
/// waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The keys, all of which are to be taken: a tool may make another one where it is a library than where it is a
    /// program.
    pub keys: Vec<i64>,
    /// How the tool itself holds it.
    pub held: Held,
}

/// How a tool holds its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// By its session.
    Session,
    /// By a transaction that stays open beside the one that works.
    Transaction,
}

/// One column of a history table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type as PostgreSQL spells it.
    pub sql_type: &'static str,
    /// The server fills it in, and an `INSERT` leaves it out: its cell is `None` then.
    pub generated: bool,
}

/// One write to a history table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A new row, one cell for each column. Those of generated columns are `None` and left out.
    Insert(Cells),
    /// New values for some columns of the row with this key.
    Update {
        /// One cell for each column of [`HistoryCodec::key`].
        key: Cells,
        /// Column and value.
        set: Vec<(&'static str, Option<String>)>,
    },
    /// The row with this key goes.
    Delete {
        /// One cell for each column of [`HistoryCodec::key`].
        key: Cells,
    },
}

/// All codecs.
pub static HISTORIES: &[&HistoryCodec] = &[
    &atlas::CODEC,
    &dbmate::CODEC,
    &drizzle::CODEC,
    &flyway::CODEC,
    &golang_migrate::CODEC,
    &goose::CODEC,
    &own::CODEC,
    &sqlx::CODEC,
];

/// For a tool that keeps nothing of what is amended.
pub(crate) fn keeps_none(_: &Applied, _: &Context<'_>) -> Writes {
    Ok(Vec::new())
}

pub(crate) const fn column(name: &'static str, sql_type: &'static str) -> Column {
    Column { name, sql_type, generated: false }
}

pub(crate) const fn generated(name: &'static str, sql_type: &'static str) -> Column {
    Column { name, sql_type, generated: true }
}
