//! Which tables of a database are the history of a tool.

use crate::history::{HISTORIES, HistoryCodec};

/// A table of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The names of its columns.
    pub columns: Vec<String>,
}

/// A history that was found.
#[derive(Clone, Copy)]
pub struct Found<'t> {
    /// The tool.
    pub tool: Tool,
    /// Its table.
    pub table: &'t Table,
}

/// Whose history it is.
#[derive(Clone, Copy)]
pub enum Tool {
    /// One that is read and written.
    Known(&'static HistoryCodec),
    /// One that only its own tool reads and writes: its name, and the column that tells the version.
    Foreign(&'static str, &'static str),
}

/// Tools that are not read: name, table, the column that tells the version.
const FOREIGN: [(&str, &str, &str); 3] = [
    ("Alembic", "alembic_version", "version_num"),
    ("Prisma", "_prisma_migrations", "migration_name"),
    ("Liquibase", "databasechangelog", "id"),
];

/// Rails keeps its versions in a table of the same name and columns as dbmate, with this one beside it.
const RAILS: &str = "ar_internal_metadata";

/// The names of tables that have to be looked for.
pub fn names() -> Vec<&'static str> {
    let known = HISTORIES.iter().map(|codec| codec.table);
    let mut names: Vec<_> = known.chain(FOREIGN.iter().map(|(_, table, _)| *table)).chain([RAILS]).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The histories of tools among these tables, but for Cofferdam's own. Further columns are tolerated, as the tools do.
pub fn found(tables: &[Table]) -> Vec<Found<'_>> {
    tables.iter().filter_map(|table| Some(Found { tool: tool(table, tables)?, table })).collect()
}

/// The table has all columns of the tool's history. Further ones are tolerated.
pub fn has_columns(codec: &HistoryCodec, table: &Table) -> bool {
    codec.columns.iter().all(|column| table.columns.iter().any(|there| there == column.name))
}

fn tool(table: &Table, all: &[Table]) -> Option<Tool> {
    let has = |name: &str| table.columns.iter().any(|column| column == name);
    let fits =
        |codec: &&&HistoryCodec| codec.table == table.name && codec.id != "own" && has_columns(codec, table);
    // Three tools have a `schema_migrations`; of those whose columns are there it is that with the most.
    let codec = HISTORIES.iter().filter(fits).max_by_key(|codec| codec.columns.len());
    if let Some(codec) = codec {
        let rails = |other: &Table| other.schema == table.schema && other.name == RAILS;
        return Some(match codec.id == "dbmate" && all.iter().any(rails) {
            true => Tool::Foreign("Rails", "version"),
            false => Tool::Known(codec),
        });
    }
    let (name, _, column) = FOREIGN.iter().find(|(_, name, column)| *name == table.name && has(column))?;
    Some(Tool::Foreign(name, column))
}

impl Tool {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Known(codec) => codec.id,
            Tool::Foreign(name, _) => name,
        }
    }
}
