//! The table: what the servers can do, by operation and version.
//!
//! Sources: `measured` is what a MySQL 9.7.4 or a MariaDB 10.11.19 did when each pair of algorithm and lock was asked for in
//! turn, from the lightest on; `release` the notes of the version that is named, and for what it does the same 9.7.4, or a
//! MariaDB 11.8.9; `manual` the MySQL manual, "Online DDL Operations" and "Online DDL and Partitioning" of 8.0, 8.4 and 9;
//! `knowledge` the knowledge base of MariaDB, "InnoDB Online DDL".

use super::{Algorithm, Class, Lock, Server};
use crate::mysql::Flavour;

/// Something that a clause of an `ALTER TABLE` can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each has its row, with an example")]
pub enum Operation {
    AddColumn,
    AddColumnPlaced,
    AddAutoIncrement,
    AddVirtual,
    AddStored,
    AddExpressionDefault,
    DropColumn,
    DropIndexedColumn,
    RenameColumn,
    ReorderColumn,
    ChangeType,
    LengthenVarchar,
    LengthenVarcharPast255,
    ExtendEnum,
    RedefineEnum,
    SetNotNull,
    DropNotNull,
    SetDefault,
    RedefineAlike,
    ColumnVisibility,
    AddIndex,
    AddFulltext,
    AddSpatial,
    DropIndex,
    RenameIndex,
    IndexVisibility,
    AddPrimaryKey,
    DropPrimaryKey,
    ReplacePrimaryKey,
    AddForeignKey,
    AddForeignKeyUnchecked,
    DropConstraint,
    AddCheck,
    EnforceCheck,
    ConvertCharset,
    DefaultCharset,
    Rebuild,
    ChangeEngine,
    TableSetting,
    OrderBy,
    Keys,
    Tablespace,
    RenameTable,
    PartitionBy,
    AddPartition,
    DropPartition,
    TruncatePartition,
    ReorganizePartition,
    ExchangePartition,
    LookAtPartition,
    AddSystemVersioning,
    DropSystemVersioning,
    NotKnown,
}

/// From a version of a server on, until the next line of the same server says something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// The server.
    pub flavour: Flavour,
    /// The first version, as the server counts.
    pub version: u32,
    /// What it does.
    pub class: Class,
    /// Where this is from.
    pub source: &'static str,
}

/// An operation and what it takes.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The operation.
    pub operation: Operation,
    /// What it looks like.
    pub example: &'static str,
    /// By server and version, the oldest first. A server without a line cannot do it at all.
    pub since: &'static [Since],
}

impl Operation {
    /// Its row.
    pub fn row(self) -> Option<&'static Row> {
        OPERATIONS.iter().find(|row| row.operation == self)
    }

    /// What it takes on a server; `None`: the server does not know it.
    pub fn class(self, server: Server) -> Option<Class> {
        let lines = self.row()?.since.iter();
        lines.rev().find(|s| s.flavour == server.flavour && s.version <= server.version).map(|s| s.class)
    }
}

const fn class(algorithm: Algorithm, lock: Lock, rebuilds: bool) -> Class {
    Class { algorithm, lock, rebuilds, builds: rebuilds }
}

/// An index is built, and the rows stay where they are.
const fn building(algorithm: Algorithm, lock: Lock) -> Class {
    Class { algorithm, lock, rebuilds: false, builds: true }
}

const INSTANT: Class = class(Algorithm::Instant, Lock::None, false);
const NOCOPY: Class = class(Algorithm::NoCopy, Lock::None, false);
const NOCOPY_BUILD: Class = building(Algorithm::NoCopy, Lock::None);
const NOCOPY_BUILD_SHARED: Class = building(Algorithm::NoCopy, Lock::Shared);
const BUILD: Class = building(Algorithm::InPlace, Lock::None);
const BUILD_SHARED: Class = building(Algorithm::InPlace, Lock::Shared);
const INPLACE: Class = class(Algorithm::InPlace, Lock::None, false);
const INPLACE_SHARED: Class = class(Algorithm::InPlace, Lock::Shared, false);
const REBUILD: Class = class(Algorithm::InPlace, Lock::None, true);
const REBUILD_SHARED: Class = class(Algorithm::InPlace, Lock::Shared, true);
const COPY: Class = class(Algorithm::Copy, Lock::Shared, true);
/// Since 11.2 MariaDB copies while others write.
const COPY_ONLINE: Class = class(Algorithm::Copy, Lock::None, true);
const EXCLUSIVE: Class = class(Algorithm::InPlace, Lock::Exclusive, false);

/// The first versions that are supported.
const MYSQL_8: u32 = 80_000;
const MARIADB_10_6: u32 = 100_600;
const MARIADB_11_2: u32 = 110_200;

const fn mysql(class: Class) -> Since {
    Since { flavour: Flavour::MySql, version: MYSQL_8, class, source: "measured" }
}

/// Of older versions, of what cannot be asked for by name, and where some forms are lighter than this.
const fn mysql_told(class: Class) -> Since {
    Since { flavour: Flavour::MySql, version: MYSQL_8, class, source: "manual" }
}

const fn mysql_since(version: u32, class: Class) -> Since {
    Since { flavour: Flavour::MySql, version, class, source: "release" }
}

const fn maria(class: Class) -> Since {
    Since { flavour: Flavour::MariaDb, version: MARIADB_10_6, class, source: "measured" }
}

const fn maria_told(class: Class) -> Since {
    Since { flavour: Flavour::MariaDb, version: MARIADB_10_6, class, source: "knowledge" }
}

const fn maria_11_2(class: Class) -> Since {
    Since { flavour: Flavour::MariaDb, version: MARIADB_11_2, class, source: "release" }
}

const fn row(operation: Operation, example: &'static str, since: &'static [Since]) -> Row {
    Row { operation, example, since }
}

use Operation as O;

/// What the servers can do.
pub static OPERATIONS: &[Row] = &[
    row(
        O::AddColumn,
        "ADD COLUMN c INT",
        &[mysql_told(REBUILD), mysql_since(80_012, INSTANT), maria(INSTANT)],
    ),
    row(
        O::AddColumnPlaced,
        "ADD COLUMN c INT FIRST",
        &[mysql_told(REBUILD), mysql_since(80_029, INSTANT), maria(INSTANT)],
    ),
    row(
        O::AddAutoIncrement,
        "ADD COLUMN c BIGINT AUTO_INCREMENT UNIQUE",
        &[mysql(REBUILD_SHARED), maria(REBUILD_SHARED)],
    ),
    row(
        O::AddVirtual,
        "ADD COLUMN c INT GENERATED ALWAYS AS (a + 1) VIRTUAL",
        &[mysql(INSTANT), maria(INSTANT)],
    ),
    row(
        O::AddStored,
        "ADD COLUMN c INT GENERATED ALWAYS AS (a + 1) STORED",
        &[mysql(COPY), maria(COPY), maria_11_2(COPY_ONLINE)],
    ),
    row(
        O::AddExpressionDefault,
        "ADD COLUMN c CHAR(36) DEFAULT (UUID())",
        &[mysql(COPY), maria(COPY), maria_11_2(COPY_ONLINE)],
    ),
    row(O::DropColumn, "DROP COLUMN c", &[mysql_told(REBUILD), mysql_since(80_029, INSTANT), maria(INSTANT)]),
    row(O::DropIndexedColumn, "DROP COLUMN c, of which there is an index", &[mysql(REBUILD), maria(NOCOPY)]),
    row(
        O::RenameColumn,
        "RENAME COLUMN c TO d",
        &[mysql_told(INPLACE), mysql_since(80_028, INSTANT), maria(INSTANT)],
    ),
    row(O::ReorderColumn, "MODIFY COLUMN c INT FIRST", &[mysql(REBUILD), maria(INSTANT)]),
    row(
        O::ChangeType,
        "MODIFY COLUMN c BIGINT, which was INT",
        &[mysql(COPY), maria(COPY), maria_11_2(COPY_ONLINE)],
    ),
    row(
        O::LengthenVarchar,
        "MODIFY COLUMN c VARCHAR(60), which was VARCHAR(20)",
        &[mysql(INPLACE), maria(INSTANT)],
    ),
    row(
        O::LengthenVarcharPast255,
        "MODIFY COLUMN c VARCHAR(300), which was VARCHAR(20)",
        &[mysql(COPY), maria(INSTANT)],
    ),
    row(
        O::ExtendEnum,
        "MODIFY COLUMN c ENUM('a', 'b', 'c'), which was ENUM('a', 'b')",
        &[mysql(INSTANT), maria(INSTANT)],
    ),
    row(
        O::RedefineEnum,
        "MODIFY COLUMN c ENUM('b', 'a'), which was ENUM('a', 'b')",
        &[mysql(COPY), maria(COPY), maria_11_2(COPY_ONLINE)],
    ),
    row(O::SetNotNull, "MODIFY COLUMN c INT NOT NULL, which was INT", &[mysql(REBUILD), maria(REBUILD)]),
    row(O::DropNotNull, "MODIFY COLUMN c INT, which was INT NOT NULL", &[mysql(REBUILD), maria(REBUILD)]),
    row(O::SetDefault, "ALTER COLUMN c SET DEFAULT 5", &[mysql(INSTANT), maria(INSTANT)]),
    row(
        O::RedefineAlike,
        "MODIFY COLUMN c INT COMMENT 'x', which was INT",
        &[mysql(INSTANT), maria(INSTANT)],
    ),
    row(O::ColumnVisibility, "ALTER COLUMN c SET INVISIBLE", &[mysql_since(80_023, INSTANT), maria(INSTANT)]),
    row(O::AddIndex, "ADD INDEX i (c)", &[mysql(BUILD), maria(NOCOPY_BUILD)]),
    // The first one of a table adds a hidden column, and writes the table anew for it.
    row(O::AddFulltext, "ADD FULLTEXT INDEX i (c)", &[mysql_told(REBUILD_SHARED), maria(REBUILD_SHARED)]),
    row(O::AddSpatial, "ADD SPATIAL INDEX i (c)", &[mysql(BUILD_SHARED), maria(NOCOPY_BUILD_SHARED)]),
    row(O::DropIndex, "DROP INDEX i", &[mysql(INPLACE), maria(NOCOPY)]),
    row(O::RenameIndex, "RENAME INDEX i TO j", &[mysql(INPLACE), maria(INSTANT)]),
    row(O::IndexVisibility, "ALTER INDEX i INVISIBLE", &[mysql(INPLACE), maria(INSTANT)]),
    row(O::AddPrimaryKey, "ADD PRIMARY KEY (c)", &[mysql(REBUILD), maria(REBUILD)]),
    row(O::DropPrimaryKey, "DROP PRIMARY KEY", &[mysql(COPY), maria(COPY), maria_11_2(COPY_ONLINE)]),
    row(O::ReplacePrimaryKey, "DROP PRIMARY KEY, ADD PRIMARY KEY (d)", &[mysql(REBUILD), maria(REBUILD)]),
    row(O::AddForeignKey, "ADD FOREIGN KEY (c) REFERENCES p (id)", &[mysql(COPY), maria(COPY)]),
    // Where no index over its columns is there, one is built.
    row(
        O::AddForeignKeyUnchecked,
        "ADD FOREIGN KEY (c) REFERENCES p (id), with foreign_key_checks = 0",
        &[mysql(BUILD), maria(NOCOPY_BUILD)],
    ),
    row(O::DropConstraint, "DROP FOREIGN KEY f", &[mysql(INPLACE), maria(INSTANT)]),
    row(O::AddCheck, "ADD CHECK (c > 0)", &[mysql(COPY), maria(COPY), maria_11_2(COPY_ONLINE)]),
    row(O::EnforceCheck, "ALTER CHECK x ENFORCED", &[mysql_since(80_016, COPY)]),
    row(
        O::ConvertCharset,
        "CONVERT TO CHARACTER SET utf8mb4",
        &[mysql(COPY), maria(COPY), maria_11_2(COPY_ONLINE)],
    ),
    row(O::DefaultCharset, "DEFAULT CHARACTER SET = utf8mb4", &[mysql(REBUILD), maria(INSTANT)]),
    row(O::Rebuild, "ENGINE = InnoDB, of an InnoDB table; FORCE", &[mysql(REBUILD), maria(REBUILD)]),
    row(O::ChangeEngine, "ENGINE = MyISAM, of an InnoDB table", &[mysql(COPY), maria_told(COPY)]),
    row(O::TableSetting, "AUTO_INCREMENT = 5", &[mysql(INPLACE), maria(INSTANT)]),
    row(O::OrderBy, "ORDER BY c", &[mysql(COPY), maria_told(COPY)]),
    row(O::Keys, "DISABLE KEYS", &[mysql_told(INPLACE), maria_told(INPLACE)]),
    row(O::Tablespace, "DISCARD TABLESPACE", &[mysql_told(EXCLUSIVE), maria_told(EXCLUSIVE)]),
    row(O::RenameTable, "RENAME TO u", &[mysql(INSTANT), maria(INSTANT)]),
    row(O::PartitionBy, "PARTITION BY HASH (c)", &[mysql(COPY), maria_told(COPY)]),
    row(
        O::AddPartition,
        "ADD PARTITION (PARTITION p VALUES LESS THAN (9))",
        &[mysql_told(INPLACE_SHARED), maria_told(INPLACE_SHARED)],
    ),
    row(O::DropPartition, "DROP PARTITION p", &[mysql(INPLACE), maria_told(INPLACE_SHARED)]),
    row(O::TruncatePartition, "TRUNCATE PARTITION p", &[mysql_told(INPLACE), maria_told(EXCLUSIVE)]),
    row(
        O::ReorganizePartition,
        "REORGANIZE PARTITION p INTO (...)",
        &[mysql(REBUILD_SHARED), maria_told(REBUILD_SHARED)],
    ),
    row(
        O::ExchangePartition,
        "EXCHANGE PARTITION p WITH TABLE u",
        &[mysql_told(EXCLUSIVE), maria_told(EXCLUSIVE)],
    ),
    row(O::LookAtPartition, "ANALYZE PARTITION p", &[mysql_told(INPLACE), maria_told(INPLACE)]),
    row(O::AddSystemVersioning, "ADD SYSTEM VERSIONING", &[maria(COPY), maria_11_2(COPY_ONLINE)]),
    row(O::DropSystemVersioning, "DROP SYSTEM VERSIONING", &[maria_told(COPY)]),
    row(O::NotKnown, "anything that is not understood", &[mysql_told(COPY), maria_told(COPY)]),
];
