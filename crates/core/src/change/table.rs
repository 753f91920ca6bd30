//! Tables, columns, constraints and indexes as a statement declares or changes them.

use super::{MySqlClause, Position};
use crate::ident::Name;

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
    /// `GENERATED ... AS IDENTITY`, or `AUTO_INCREMENT`: the server counts its values.
    pub identity: bool,
    /// `PRIMARY KEY` on the column.
    pub primary_key: bool,
    /// `UNIQUE` on the column.
    pub unique: bool,
    /// The expression of a `CHECK` on the column, as written, without the outer parentheses.
    pub check: Option<String>,
    /// `REFERENCES table (columns)`.
    pub references: Option<(Name, Vec<String>)>,
    /// Of MySQL: `CHARACTER SET`, in lower case.
    pub charset: Option<String>,
    /// Of MySQL: `COLLATE`, in lower case.
    pub collate: Option<String>,
    /// Of MySQL: the expression of `ON UPDATE`, as written.
    pub on_update: Option<String>,
    /// Of MySQL: `FIRST` or `AFTER`, in an `ALTER TABLE`.
    pub position: Option<Position>,
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
    /// What only MySQL and MariaDB have.
    MySql(MySqlClause),
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
    /// `USING method`; `btree` where nothing is written. Of MySQL also `fulltext`, `spatial` and `vector`.
    pub method: String,
    /// The key parts in order: the column's name, or `None` for an expression or the beginning of a column.
    pub columns: Vec<Option<String>>,
    /// It has a WHERE clause.
    pub partial: bool,
    /// The text from `ON` to the end, as written: `ON t USING gin (c) WHERE x`.
    pub on: String,
}
