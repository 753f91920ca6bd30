//! What the live database says. Read once before planning; rules and strategies treat it as data.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::ident::Name;

/// Facts about a server, a database and the tables that were asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// The server.
    pub server: Server,
    /// By the name as it was asked for. A table that is asked for and does not exist has `exists: false`.
    pub tables: BTreeMap<String, Table>,
    /// Schemas, extensions, types ... that exist, as `kind name`: `type public.mood`, `schema audit`, `index public.t_a_idx`.
    pub objects: BTreeSet<String>,
    /// What was asked of the rows themselves, with the answers. Empty: nothing was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<(DataQuestion, DataAnswer)>,
}

/// Something about the rows of a table that no catalog tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "ask")]
pub enum DataQuestion {
    /// Does a row hold NULL in this column?
    Nulls {
        /// The table, as the statement names it.
        table: Name,
        /// The column.
        column: String,
    },
    /// Do two rows hold the same values in these columns, none of them NULL?
    Duplicates {
        /// The table, as the statement names it.
        table: Name,
        /// The columns, in order.
        columns: Vec<String>,
    },
    /// Does a row refer to a parent that is not there?
    Orphans {
        /// The table that refers, as the statement names it.
        table: Name,
        /// Its columns, in order.
        columns: Vec<String>,
        /// The table that is referred to.
        parent: Name,
        /// Its columns, in order; as many as there are in `columns`.
        parent_columns: Vec<String>,
    },
    /// How many rows does the statement change, as the server plans it?
    Changed {
        /// The table, as the statement names it.
        table: Name,
        /// An UPDATE, DELETE or MERGE. It is planned and not executed.
        statement: String,
    },
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer", content = "why")]
pub enum DataAnswer {
    /// There is such a row: it was seen.
    Yes,
    /// There is none: all rows were looked at, or the catalog proves it.
    No,
    /// About so many rows, by the server's own estimate.
    About(u64),
    /// Nobody knows, for this reason: the table is too large to be read in the time that a look may take, its rows may
    /// not be read by us, or somebody holds it locked.
    NotKnown(String),
}

impl DataQuestion {
    /// The table whose rows are meant.
    pub fn table(&self) -> &Name {
        match self {
            Self::Nulls { table, .. }
            | Self::Duplicates { table, .. }
            | Self::Orphans { table, .. }
            | Self::Changed { table, .. } => table,
        }
    }
}

/// The server and what we may do on it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Server {
    /// `postgresql` or `fake`.
    pub engine: String,
    /// As a number: 150020 is 15.20.
    pub version: u32,
    /// As a person reads it: `15.20`.
    pub version_text: String,
    /// What tells this server from every other: PostgreSQL's system identifier. Empty if it may not be read.
    pub identity: String,
    /// The database.
    pub database: String,
    /// Who we are there.
    pub role: String,
    /// It is a standby, or opens transactions read-only.
    pub read_only: bool,
    /// `SHOW timezone`: under `UTC` a change from timestamp to timestamptz needs no rewrite.
    pub time_zone: String,
    /// For how long the oldest transaction of somebody else in this database has been open that reads or writes, in
    /// seconds: what is done CONCURRENTLY waits for its end. `None`: there is none, we may not see it, or no table was
    /// asked for.
    #[serde(default)]
    pub open_for_seconds: Option<u64>,
}

impl Server {
    /// The major version of PostgreSQL: 150020 is 15.
    pub fn major(&self) -> u32 {
        self.version / 10_000
    }

    /// For how many seconds the oldest transaction of others has been open, where that is long.
    pub fn long_open(&self) -> Option<u64> {
        self.open_for_seconds.filter(|seconds| *seconds >= OPEN_LONG_SECONDS)
    }
}

/// What is known of one table.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Table {
    /// It exists (also as a view, see `kind`).
    pub exists: bool,
    /// Schema and name as the server resolves them.
    pub resolved: Option<Name>,
    /// `table`, `partitioned table`, `view`, `materialized view`, `foreign table`.
    pub kind: String,
    /// Its owner.
    pub owner: String,
    /// Rows by the server's estimate; `None` where it was never analysed.
    pub rows: Option<u64>,
    /// It holds at least one row. `None`: not looked at.
    pub has_rows: Option<bool>,
    /// Heap and TOAST, in bytes.
    pub bytes: u64,
    /// All its indexes, in bytes.
    pub index_bytes: u64,
    /// Rows written in a second, measured between two looks or since the statistics were reset.
    pub writes_per_second: Option<f64>,
    /// Seconds since it was last analysed.
    pub analysed_seconds_ago: Option<u64>,
    /// Rows written since then, by the server's count. `None`: not known.
    #[serde(default)]
    pub written_since_analysed: Option<u64>,
    /// Its columns in order.
    pub columns: Vec<ColumnFacts>,
    /// Its constraints.
    pub constraints: Vec<ConstraintFacts>,
    /// Its indexes.
    pub indexes: Vec<IndexFacts>,
    /// Of a partitioned table: its partitions that have none themselves, by schema and name.
    #[serde(default)]
    pub leaves: Vec<LeafFacts>,
    /// Columns of other tables, and of itself, that refer to one of its columns by a foreign key.
    #[serde(default)]
    pub referring: Vec<Referring>,
}

/// A column that refers to one of a table by a foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referring {
    /// Schema and name of its table.
    pub table: Name,
    /// Its name.
    pub column: String,
    /// Its type as the server prints it.
    pub ty: String,
    /// The column that it refers to.
    pub to: String,
}

/// What is known of a partition that holds rows itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeafFacts {
    /// Its schema and name.
    pub name: Name,
    /// `table` or `foreign table`.
    pub kind: String,
    /// The columns of each of its own indexes, which are no part of one of the whole table; an expression is the empty
    /// text.
    pub indexed: Vec<Vec<String>>,
}

/// What is known of one column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// Its type as the server prints it: `character varying(20)`.
    pub ty: String,
    /// It refuses NULL.
    pub not_null: bool,
    /// Its default as the server prints it.
    pub default: Option<String>,
    /// The share of NULLs by the server's statistics, 0 to 1.
    pub null_fraction: Option<f64>,
    /// At least one NULL was seen (`Some(true)`), or none is there (`Some(false)`); `None`: not known.
    pub has_nulls: Option<bool>,
    /// The sequence that gives it its numbers.
    #[serde(default)]
    pub counter: Option<Counter>,
}

/// A sequence that belongs to a column.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counter {
    /// The last number that it gave. `None`: none yet, or it may not be read.
    pub last: Option<i64>,
    /// The highest that it gives.
    pub most: i64,
}

/// What is known of one constraint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ConstraintFacts {
    /// Its name.
    pub name: String,
    /// `check`, `foreign key`, `primary key`, `unique`, `exclude`, `not null`.
    pub kind: String,
    /// Every row has been checked against it.
    pub validated: bool,
    /// As the server prints it: `CHECK ((c IS NOT NULL))`.
    pub definition: String,
    /// Its columns.
    pub columns: Vec<String>,
}

/// What is known of one index.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct IndexFacts {
    /// Its name.
    pub name: String,
    /// It is complete and used by queries. A failed CONCURRENTLY leaves one that is not.
    pub valid: bool,
    /// `UNIQUE`.
    pub unique: bool,
    /// It has a WHERE clause.
    pub partial: bool,
    /// Its columns; an expression is the empty text.
    pub columns: Vec<String>,
    /// As the server prints it: `CREATE INDEX ...`.
    pub definition: String,
}

/// How much room a file system has on which the server keeps data.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Room {
    /// The folder of the server that lies on it.
    pub folder: String,
    /// Bytes that everybody may use, not root alone.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// From here on a table counts as large: an index build or a scan takes seconds, not an instant.
pub const LARGE_ROWS: u64 = 1_000_000;
/// See [`LARGE_ROWS`].
pub const LARGE_BYTES: u64 = 1 << 30;
/// From here on a table counts as busy.
pub const BUSY_WRITES_PER_SECOND: f64 = 50.0;
/// Statistics that are older than this are not to be relied on: a week, in seconds.
pub const STALE_SECONDS: u64 = 7 * 24 * 3600;
/// Nor are those of a table of which more than this share was written since. The server's own ANALYZE comes after
/// a tenth, so that twice as much means that it does not come.
pub const STALE_SHARE: f64 = 0.2;
/// Transactions that are open for less than this, in seconds, come and go: that somebody waits for them is not felt.
pub const OPEN_LONG_SECONDS: u64 = 10;

impl Facts {
    /// What is known of a table, by the name under which it was asked for.
    pub fn table(&self, name: &Name) -> Option<&Table> {
        self.tables.get(&name.to_string())
    }

    /// What was found out about the rows; `None`: it was not asked.
    pub fn answer(&self, question: &DataQuestion) -> Option<&DataAnswer> {
        self.answers.iter().find(|(asked, _)| asked == question).map(|(_, answer)| answer)
    }

    /// Whether an object exists: `has("schema", "audit")`.
    pub fn has(&self, kind: &str, name: &str) -> bool {
        self.objects.contains(&format!("{kind} {name}"))
    }

    /// The names of the objects of a kind, in order: `public.mood`, `audit`. Looks at no others: a database may have a
    /// hundred thousand.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &str> {
        let kind = format!("{kind} ");
        let from = (Bound::Included(kind.as_str()), Bound::Unbounded);
        self.objects.range::<str, _>(from).map_while(move |object| object.strip_prefix(kind.as_str()))
    }
}

impl Table {
    /// Heap, TOAST and indexes in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.bytes + self.index_bytes
    }

    /// One million rows or one gibibyte.
    pub fn large(&self) -> bool {
        self.rows.is_some_and(|r| r >= LARGE_ROWS) || self.bytes >= LARGE_BYTES
    }

    /// Fifty rows written in a second.
    pub fn busy(&self) -> bool {
        self.writes_per_second.is_some_and(|w| w >= BUSY_WRITES_PER_SECOND)
    }

    /// Why the server's statistics of it are not to be relied on, in words; `None`: they are fresh, or there are none.
    pub fn stale(&self) -> Option<String> {
        let ago = self.analysed_seconds_ago?;
        let written = self.written_since_analysed.unwrap_or(0);
        let share = written as f64 / self.rows.unwrap_or(0).max(1) as f64;
        if share > STALE_SHARE && written > 1_000 {
            return Some(format!("stale: {written} rows were written since"));
        }
        (ago > STALE_SECONDS).then(|| "stale: older than a week".to_owned())
    }

    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&ColumnFacts> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// A constraint by its name.
    pub fn constraint(&self, name: &str) -> Option<&ConstraintFacts> {
        self.constraints.iter().find(|c| c.name == name)
    }

    /// An index by its name.
    pub fn index(&self, name: &str) -> Option<&IndexFacts> {
        self.indexes.iter().find(|i| i.name == name)
    }
}
