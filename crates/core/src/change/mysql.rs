//! What only MySQL and MariaDB have in an `ALTER TABLE`.

use super::{Column, CreateIndex};
use crate::ident::Name;

/// A clause of an `ALTER TABLE` that only MySQL and MariaDB have.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are the words of the SQL statement itself")]
pub enum MySqlClause {
    /// `ADD [UNIQUE | FULLTEXT | SPATIAL] INDEX`: a unique constraint is an index here, and nothing else.
    AddIndex(CreateIndex),
    /// Also `DROP INDEX name ON table`, which the server carries out as this clause.
    DropIndex {
        name: String,
        if_exists: bool,
    },
    RenameIndex {
        from: String,
        to: String,
    },
    /// `ALTER INDEX name VISIBLE`, `INVISIBLE`; in MariaDB `NOT IGNORED`, `IGNORED`.
    IndexVisibility {
        name: String,
        visible: bool,
    },
    DropPrimaryKey,
    /// `ALTER CHECK name [NOT] ENFORCED`.
    EnforceConstraint {
        name: String,
        enforced: bool,
    },
    /// `MODIFY COLUMN`: the whole column is declared anew, and what is not written is lost.
    ModifyColumn {
        column: Column,
    },
    /// `CHANGE COLUMN from column`: as `ModifyColumn`, with a name that may be another one.
    ChangeColumn {
        from: String,
        column: Column,
    },
    ColumnVisibility {
        column: String,
        visible: bool,
    },
    /// `CONVERT TO CHARACTER SET`: the texts of every column are written anew.
    ConvertCharset {
        charset: String,
        collate: Option<String>,
    },
    /// One table option. Its name in lower case with one space between words: `engine`, `auto_increment`,
    /// `row_format`, `charset`, `collate`, `data directory`; its value as written.
    Option {
        name: String,
        value: String,
    },
    Force,
    OrderBy,
    /// `DISABLE KEYS`, `ENABLE KEYS`.
    Keys {
        enable: bool,
    },
    /// `DISCARD TABLESPACE`, `IMPORT TABLESPACE`.
    Tablespace {
        import: bool,
    },
    /// `names` are the partitions that are named; empty where it is about all of them, or names none.
    Partition {
        action: PartitionAction,
        names: Vec<String>,
        /// The table of `EXCHANGE PARTITION ... WITH TABLE`, or of MariaDB's `CONVERT`.
        table: Option<Name>,
    },
    /// MariaDB's `ADD SYSTEM VERSIONING` and `DROP SYSTEM VERSIONING`.
    SystemVersioning {
        add: bool,
    },
    /// `ALGORITHM = name`, in lower case.
    Algorithm {
        name: String,
    },
    /// `LOCK = name`, in lower case.
    Lock {
        name: String,
    },
    /// `WITH VALIDATION`, `WITHOUT VALIDATION`.
    Validation {
        with: bool,
    },
}

/// What is done with partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the SQL words")]
pub enum PartitionAction {
    /// `PARTITION BY ...`: the whole table is partitioned anew.
    By,
    /// `REMOVE PARTITIONING`.
    Remove,
    Add,
    Drop,
    Truncate,
    Coalesce,
    Reorganize,
    Exchange,
    Analyze,
    Check,
    Optimize,
    Rebuild,
    Repair,
    /// `DISCARD PARTITION ... TABLESPACE`.
    Discard,
    /// `IMPORT PARTITION ... TABLESPACE`.
    Import,
    /// MariaDB's `CONVERT PARTITION name TO TABLE` and `CONVERT TABLE name TO PARTITION`.
    Convert,
}

/// Where a column is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// `FIRST`.
    First,
    /// `AFTER` this column.
    After(String),
}
