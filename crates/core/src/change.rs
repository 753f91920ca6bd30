//! One parsed statement and what it does, in words that all SQL engines share.
//!
//! `dialects` fills these from text; `lint` and `strategies` read them. Names are as the server stores them
//! (folded, unquoted). Where a detail does not matter to any rule or strategy it is not here.

use serde::{Deserialize, Serialize};

use crate::ident::Name;
use crate::text::Text;

mod mysql;
mod table;

pub use mysql::{MySqlClause, PartitionAction, Position};
pub use table::{Column, Constraint, ConstraintKind, CreateIndex, CreateTable, TableChange};

/// A place in a script: bytes, and where a person looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Span {
    /// First byte, counted in the script's text (after the BOM, if it had one).
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Line of the first byte, from 1.
    pub line: usize,
    /// Column of the first byte in characters, from 1.
    pub column: usize,
}

/// One statement of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The statement as written, without the closing `;` and without comments before it.
    pub text: Text,
    /// Where it stands in its script.
    pub at: Span,
    /// The rows that follow a `COPY ... FROM stdin`, up to the line `\.`, as written.
    pub copy_rows: Option<Text>,
    /// The comment lines directly before it (for `-- cofferdam:allow ...` and other linters' marks), each with
    /// the line it stands on.
    pub comments: Vec<(usize, String)>,
    /// What it does.
    pub action: Action,
}

/// What a statement does.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are the words of the SQL statement itself")]
pub enum Action {
    CreateTable(CreateTable),
    AlterTable {
        table: Name,
        if_exists: bool,
        changes: Vec<TableChange>,
    },
    DropTable {
        names: Vec<Name>,
        if_exists: bool,
        cascade: bool,
    },
    CreateIndex(CreateIndex),
    DropIndex {
        names: Vec<Name>,
        concurrently: bool,
        if_exists: bool,
        cascade: bool,
    },
    /// `ALTER INDEX name RENAME TO to`; `ALTER TABLE ... RENAME TO` of an index is not recognised as one.
    RenameIndex {
        name: Name,
        to: String,
    },
    Reindex {
        target: ReindexTarget,
        name: Option<Name>,
        concurrently: bool,
    },
    CreateView {
        name: Name,
        or_replace: bool,
        materialized: bool,
        if_not_exists: bool,
    },
    DropView {
        names: Vec<Name>,
        materialized: bool,
        if_exists: bool,
        cascade: bool,
    },
    RefreshView {
        name: Name,
        concurrently: bool,
    },
    CreateSequence {
        name: Name,
        if_not_exists: bool,
    },
    DropSequence {
        names: Vec<Name>,
        if_exists: bool,
        cascade: bool,
    },
    /// `CREATE TYPE` of any kind.
    CreateType {
        name: Name,
    },
    DropType {
        names: Vec<Name>,
        if_exists: bool,
        cascade: bool,
    },
    EnumAddValue {
        name: Name,
        value: String,
        if_not_exists: bool,
    },
    EnumRenameValue {
        name: Name,
        from: String,
        to: String,
    },
    CreateDomain {
        name: Name,
    },
    /// `ALTER DOMAIN name ADD CONSTRAINT ...`.
    DomainAddConstraint {
        name: Name,
        not_valid: bool,
    },
    /// `signature` is `name(argument types)` as far as the text gives it, ready for `DROP FUNCTION`.
    CreateRoutine {
        name: Name,
        signature: String,
        or_replace: bool,
        procedure: bool,
    },
    DropRoutine {
        names: Vec<String>,
        procedure: bool,
        if_exists: bool,
    },
    CreateTrigger {
        name: String,
        table: Name,
        or_replace: bool,
    },
    DropTrigger {
        name: String,
        table: Name,
        if_exists: bool,
    },
    CreatePolicy {
        name: String,
        table: Name,
    },
    CreateSchema {
        name: String,
        if_not_exists: bool,
    },
    DropSchema {
        names: Vec<String>,
        if_exists: bool,
        cascade: bool,
    },
    CreateExtension {
        name: String,
        if_not_exists: bool,
    },
    DropExtension {
        names: Vec<String>,
        if_exists: bool,
    },
    CreateDatabase {
        name: String,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
    },
    /// `CREATE STATISTICS name ON ... FROM table`.
    CreateStatistics {
        name: Option<Name>,
    },
    /// MySQL's `RENAME TABLE a TO b, c TO d`: all of them at once, from the first to the last.
    RenameTables {
        renames: Vec<(Name, Name)>,
    },
    /// An object of which nothing but its kind and name matters, in capitals: MySQL's `EVENT`.
    CreateObject {
        kind: String,
        name: Name,
        or_replace: bool,
        if_not_exists: bool,
    },
    /// As `CreateObject`: MySQL's `EVENT`, and its `TRIGGER`, which is dropped without its table's name.
    DropObject {
        kind: String,
        names: Vec<Name>,
        if_exists: bool,
    },
    Insert {
        table: Name,
    },
    /// `filtered`: it has a WHERE clause.
    Update {
        table: Name,
        filtered: bool,
    },
    Delete {
        table: Name,
        filtered: bool,
    },
    Merge {
        table: Name,
    },
    /// MySQL's `REPLACE`: rows with the same key are deleted first.
    Replace {
        table: Name,
    },
    /// MySQL's `LOAD DATA` and `LOAD XML`; `local`: from a file of the client.
    LoadData {
        table: Name,
        local: bool,
    },
    Truncate {
        tables: Vec<Name>,
        cascade: bool,
    },
    CopyFrom {
        table: Option<Name>,
        stdin: bool,
        program: bool,
    },
    CopyTo {
        program: bool,
    },
    Select,
    Vacuum {
        full: bool,
        tables: Vec<Name>,
    },
    Analyze,
    /// MySQL's `OPTIMIZE TABLE`: InnoDB writes the table anew.
    Optimize {
        tables: Vec<Name>,
    },
    Cluster {
        table: Option<Name>,
    },
    Grant {
        on_all: bool,
        to_public: bool,
    },
    Revoke,
    Comment,
    /// `SET`, `RESET`: changes the session, not the database.
    SetSession {
        name: String,
    },
    SetRole,
    LockTable {
        tables: Vec<Name>,
    },
    /// `DO $$ ... $$`: what it does cannot be read from the text.
    Do,
    Call,
    Transaction(TransactionControl),
    /// Parsed, but no rule or strategy needs more than its words: `CREATE PUBLICATION`, `ALTER SYSTEM`.
    Other {
        kind: String,
    },
    /// It could not be parsed. Never silent: the rule `not-analysed` reports it.
    Unparsed {
        why: String,
    },
}

/// Statements that begin or end a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the SQL words")]
pub enum TransactionControl {
    Begin,
    Commit,
    Rollback,
    /// SAVEPOINT, RELEASE, ROLLBACK TO.
    Savepoint,
    /// PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED.
    TwoPhase,
}

/// What a `REINDEX` goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the SQL words")]
pub enum ReindexTarget {
    Index,
    Table,
    Schema,
    Database,
    System,
}

impl Action {
    /// The tables that the statement names as those it changes (not the parents of foreign keys).
    pub fn tables(&self) -> Vec<&Name> {
        match self {
            Action::CreateTable(t) => t.name.iter().collect(),
            Action::AlterTable { table, .. }
            | Action::CreateTrigger { table, .. }
            | Action::DropTrigger { table, .. }
            | Action::CreatePolicy { table, .. }
            | Action::Insert { table }
            | Action::Update { table, .. }
            | Action::Delete { table, .. }
            | Action::Merge { table }
            | Action::Replace { table }
            | Action::LoadData { table, .. } => vec![table],
            Action::RenameTables { renames } => renames.iter().map(|(from, _)| from).collect(),
            Action::CreateIndex(index) => vec![&index.table],
            Action::DropTable { names, .. } => names.iter().collect(),
            Action::Truncate { tables, .. }
            | Action::Vacuum { tables, .. }
            | Action::Optimize { tables }
            | Action::LockTable { tables } => tables.iter().collect(),
            Action::Cluster { table } | Action::CopyFrom { table, .. } => table.iter().collect(),
            Action::RefreshView { name, .. } => vec![name],
            _ => Vec::new(),
        }
    }

    /// The tables whose facts (size, write rate, nulls ...) a rule or strategy may ask for.
    pub fn relations(&self) -> Vec<Name> {
        let mut all: Vec<Name> = self.tables().into_iter().cloned().collect();
        match self {
            // Asked for by an index's name, a table answers.
            Action::DropIndex { names, .. } => all.extend(names.iter().cloned()),
            Action::Reindex { name, .. } => all.extend(name.clone()),
            Action::RenameIndex { name, .. } | Action::CreateView { name, .. } => all.push(name.clone()),
            Action::AlterTable { changes, .. } => {
                for change in changes {
                    match change {
                        TableChange::AddConstraint(c) => {
                            if let ConstraintKind::ForeignKey { parent, .. } = &c.kind {
                                all.push(parent.clone());
                            }
                        }
                        TableChange::AddColumn { column, .. } => {
                            all.extend(column.references.iter().map(|(table, _)| table.clone()));
                        }
                        TableChange::AttachPartition { partition, .. }
                        | TableChange::DetachPartition { partition, .. } => all.push(partition.clone()),
                        TableChange::MySql(MySqlClause::Partition { table, .. }) => all.extend(table.clone()),
                        _ => {}
                    }
                }
            }
            Action::CreateTable(table) => {
                all.extend(table.partition_of.clone());
                all.extend(
                    table.columns.iter().filter_map(|c| c.references.as_ref().map(|(t, _)| t.clone())),
                );
                for c in &table.constraints {
                    if let ConstraintKind::ForeignKey { parent, .. } = &c.kind {
                        all.push(parent.clone());
                    }
                }
            }
            _ => {}
        }
        all.sort();
        all.dedup();
        all
    }
}
