//! One parsed statement and what it does, in words that all SQL engines share.
//!
//! `dialects` fills these from text; `lint` and `strategies` read them. Names are as the server stores them
//! (folded, unquoted). Where a detail does not matter to any rule or strategy it is not here.

use serde::{Deserialize, Serialize};

use crate::ident::Name;

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
    pub text: String,
    /// Where it stands in its script.
    pub at: Span,
    /// The rows that follow a `COPY ... FROM stdin`, up to the line `\.`, as written.
    pub copy_rows: Option<String>,
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

/// `CREATE TABLE`, also `AS` and `PARTITION OF`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreateTable {
    /// The new table.
    pub name: Option<Name>,
    /// `IF NOT EXISTS` was written.
    pub if_not_exists: bool,
    /// `TEMP` or `TEMPORARY`.
    pub temporary: bool,
    /// `UNLOGGED`.
    pub unlogged: bool,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its table constraints, in order.
    pub constraints: Vec<Constraint>,
    /// The parent of `PARTITION OF`.
    pub partition_of: Option<Name>,
    /// `CREATE TABLE AS`, or `SELECT INTO`: filled by a query.
    pub from_query: bool,
    /// `LIKE` or `INHERITS`: columns that the text does not show.
    pub copies_structure: bool,
}

/// A column as declared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as written, one space between words, lower case: `character varying(20)`, `int`, `bigserial`.
    pub ty: String,
    /// `NOT NULL` was written (a primary key implies it, but is not counted here).
    pub not_null: bool,
    /// The expression of `DEFAULT`, as written.
    pub default: Option<String>,
    /// `GENERATED ALWAYS AS (...) STORED`.
    pub generated_stored: bool,
    /// `GENERATED ALWAYS AS (...) VIRTUAL`.
    pub generated_virtual: bool,
    /// `GENERATED ... AS IDENTITY`.
    pub identity: bool,
    /// `PRIMARY KEY` on the column.
    pub primary_key: bool,
    /// `UNIQUE` on the column.
    pub unique: bool,
    /// The expression of a `CHECK` on the column, as written, without the outer parentheses.
    pub check: Option<String>,
    /// `REFERENCES table (columns)`.
    pub references: Option<(Name, Vec<String>)>,
}

impl Column {
    /// `serial`, `bigserial`, `smallserial` and their aliases: a type, a sequence and a default in one word.
    pub fn serial(&self) -> bool {
        matches!(self.ty.as_str(), "serial" | "serial2" | "serial4" | "serial8" | "bigserial" | "smallserial")
    }
}

/// A table constraint as declared.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraint {
    /// The name of `CONSTRAINT name`, where one is given; else the server chooses.
    pub name: Option<String>,
    /// What it demands.
    pub kind: ConstraintKind,
    /// `NOT VALID` was written.
    pub not_valid: bool,
    /// `NOT ENFORCED` was written (PostgreSQL 18).
    pub not_enforced: bool,
    /// The definition as written, from `CHECK`, `FOREIGN KEY` ... on, without `CONSTRAINT name` and without
    /// `NOT VALID`.
    pub definition: String,
}

/// What a constraint demands.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are the words of the SQL statement itself")]
pub enum ConstraintKind {
    /// `expression` without the outer parentheses.
    Check {
        expression: String,
    },
    Unique {
        columns: Vec<String>,
        using_index: Option<String>,
    },
    PrimaryKey {
        columns: Vec<String>,
        using_index: Option<String>,
    },
    ForeignKey {
        columns: Vec<String>,
        parent: Name,
        parent_columns: Vec<String>,
    },
    Exclude,
    /// A named NOT NULL (PostgreSQL 18).
    NotNull {
        column: String,
    },
}

/// One clause of an `ALTER TABLE`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are the words of the SQL statement itself")]
pub enum TableChange {
    AddColumn {
        column: Column,
        if_not_exists: bool,
    },
    DropColumn {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    AlterType {
        column: String,
        ty: String,
        using: Option<String>,
        collate: bool,
    },
    SetNotNull {
        column: String,
    },
    DropNotNull {
        column: String,
    },
    SetDefault {
        column: String,
        expression: String,
    },
    DropDefault {
        column: String,
    },
    DropExpression {
        column: String,
    },
    AddIdentity {
        column: String,
    },
    DropIdentity {
        column: String,
    },
    AddConstraint(Constraint),
    DropConstraint {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    ValidateConstraint {
        name: String,
    },
    RenameTo {
        to: String,
    },
    RenameColumn {
        from: String,
        to: String,
    },
    RenameConstraint {
        from: String,
        to: String,
    },
    SetSchema {
        schema: String,
    },
    AttachPartition {
        partition: Name,
        default: bool,
    },
    DetachPartition {
        partition: Name,
        concurrently: bool,
    },
    SetLogged {
        logged: bool,
    },
    SetTablespace,
    SetAccessMethod,
    ReplicaIdentity,
    OwnerTo {
        role: String,
    },
    /// ENABLE or DISABLE of triggers; `enable` false is DISABLE.
    Triggers {
        enable: bool,
    },
    /// ENABLE, DISABLE, FORCE ROW LEVEL SECURITY.
    RowSecurity,
    SetStatistics {
        column: Option<String>,
    },
    /// `SET (fillfactor = ...)`, `RESET (...)`.
    StorageParameters,
    /// `SET STORAGE`, `SET COMPRESSION` of a column.
    ColumnStorage {
        column: String,
    },
    ClusterOn,
    Inherit {
        parent: Name,
        remove: bool,
    },
    Other {
        text: String,
    },
}

/// `CREATE INDEX`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateIndex {
    /// Its name, where one is given; else the server chooses.
    pub name: Option<String>,
    /// The table it is on.
    pub table: Name,
    /// `UNIQUE`.
    pub unique: bool,
    /// `CONCURRENTLY`.
    pub concurrently: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `ON ONLY table`.
    pub only: bool,
    /// `USING method`; `btree` where nothing is written.
    pub method: String,
    /// The key parts in order: the column's name, or `None` for an expression.
    pub columns: Vec<Option<String>>,
    /// It has a WHERE clause.
    pub partial: bool,
    /// The text from `ON` to the end, as written: `ON t USING gin (c) WHERE x`.
    pub on: String,
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
            | Action::Merge { table } => vec![table],
            Action::CreateIndex(index) => vec![&index.table],
            Action::DropTable { names, .. } => names.iter().collect(),
            Action::Truncate { tables, .. }
            | Action::Vacuum { tables, .. }
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
