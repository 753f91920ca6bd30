//! CHECK constraints. Those on indexes stand with the indexes, NOT NULL with the columns, foreign keys by themselves.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, comment, ident};

/// What the catalog says of a CHECK constraint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Check {
    pub(super) oid: u32,
    pub(super) name: String,
    pub(super) definition: String,
    /// All rows are known to hold it.
    pub(super) valid: bool,
    comment: Option<String>,
}

const QUERY: &str = "SELECT k.oid::int8 AS oid, k.conname AS name,
        pg_catalog.pg_get_constraintdef(k.oid) AS definition, k.convalidated AS valid,
        pg_catalog.obj_description(k.oid, 'pg_constraint') AS comment
     FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1 AND k.contype = 'c' ORDER BY k.conname";

impl Check {
    pub(super) async fn read(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<Self>> {
        catalog.rows(QUERY, oid).await
    }

    /// A subcommand of ALTER TABLE.
    pub(super) fn add(&self) -> Result<String> {
        Ok(format!("ADD CONSTRAINT {} {}", ident(&self.name)?, self.definition))
    }

    /// Its comment.
    pub(super) fn comments(&self, out: &mut Vec<String>, table: &str) -> Result<()> {
        comment(out, &format!("CONSTRAINT {} ON {table}", ident(&self.name)?), self.comment.as_deref())
    }
}
