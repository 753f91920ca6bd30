//! What the data path needs to know of a change, and what it says to the server: made once, kept as JSON.

use serde::{Deserialize, Serialize};

/// Everything that is known beforehand of a change.
///
/// The statements are written for a session whose `search_path` is empty. Each string may hold several statements
/// that belong together: they go to the server in one simple query, and so in one transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::postgres) struct Blueprint {
    /// The original table.
    pub table_oid: u32,
    /// What [`super::fingerprint_query`] said of the table when this was made.
    pub fingerprint: String,
    /// The key by which rows are found on both sides: unique, not NULL, checked at once, on both.
    pub key: Vec<KeyColumn>,
    /// Every column that the shadow stores, with its value by a row of the old table.
    pub columns: Vec<Mapped>,
    /// Every column that the old table stores, with its value by a row of the new table.
    pub back: Vec<Mapped>,
    /// Every column by which both sides are compared.
    pub compare: Vec<Compared>,
    /// How the old table's columns are compared with what a row of the new table asks for. A row that was written after
    /// the swap fits in this way, one that was not fits in the other: where the change loses or converts something,
    /// only one of the two is so.
    pub compare_back: Vec<Compared>,
    /// Makes the schemas and the shadow, changed and empty, with no index and with no trigger.
    pub create: Vec<String>,
    /// Makes the unique index of the key on the shadow.
    pub key_index: String,
    /// Makes the other indexes; each may run on a connection of its own beside the others.
    pub indexes: Vec<String>,
    /// In order, after all indexes: what can be done before the swap because nobody uses the shadow.
    pub constraints: Vec<String>,
    /// Before the swap: each query must give no row. A row means that the constraint which the change adds does not
    /// hold.
    pub proofs: Vec<Proof>,
    /// The first statements in the swap's transaction, before `lock`: they lock the views on the table and what else
    /// reads it. A query on a view locks the view and then the table, so who takes them the other way round meets
    /// deadlocks under load.
    pub lock_first: Vec<String>,
    /// Quoted names of the tables to be locked at the swap and at the swap back, in this order: those that refer to the
    /// table, the table, those that it refers to.
    pub lock: Vec<String>,
    /// In the swap's transaction, after the log was drained and the capture's triggers were dropped.
    pub swap: Vec<String>,
    /// In the transaction of the swap back, likewise.
    pub swap_back: Vec<String>,
    /// After the swap, each in a transaction of its own: foreign keys are validated.
    pub settle: Vec<String>,
    /// After the swap back, likewise.
    pub settle_back: Vec<String>,
}

/// A column of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::postgres) struct KeyColumn {
    /// Its name, the same on both sides.
    pub name: String,
    /// Its type in the old table, as SQL text: `pg_catalog.int4`, `character varying(20)`.
    pub ty: String,
    /// Its type in the new table. Its order is that of the old one.
    pub new_ty: String,
    /// Its collation on both sides as SQL text (`pg_catalog."C"`), where the type has one.
    pub collation: Option<String>,
    /// The server computes it, so nobody writes it.
    pub generated: bool,
}

/// How a column of one side gets its value from a row of the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::postgres) struct Mapped {
    /// The column that gets the value.
    pub name: String,
    /// The value, over the alias `o` (a row of the old table) in `columns`, `n` (of the new one) in `back`. It is
    /// assigned in an INSERT, so that the server converts it as it does for a plain ALTER: with an error where an
    /// explicit cast would cut.
    pub expression: String,
    /// The value says as much as the one that it is made of. `false`: part of it may be lost on this way.
    pub lossless: bool,
    /// The other side has no such column, the expression is but a default: it is for rows that are new on this side,
    /// and a row that is there keeps its value.
    pub absent: bool,
}

/// How a column is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::postgres) struct Compared {
    /// Its name in the table whose values are hashed.
    pub name: String,
    /// A bigint that is never NULL, over the alias `o`: the hash of the value that the old row asks for, or has.
    pub left: String,
    /// The same over the alias `n`.
    pub right: String,
}

/// A query that must give no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::postgres) struct Proof {
    /// What does not hold if it gives one: `foreign key orders_customer_fkey`.
    pub what: String,
    /// At most ten rows, the key's columns of the shadow as texts.
    pub query: String,
}
