//! Publications that name the table, but for the one by which a change learns which rows are written. Those of all
//! tables, or of a schema's, need nothing.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, ident};

/// What the catalog says of the table's place in a publication.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Publication {
    pub(super) name: String,
    /// Only these columns.
    columns: Option<Vec<String>>,
    /// Only rows that fulfil this.
    filter: Option<String>,
}

fn query(major: u32) -> String {
    let (columns, filter) = if major >= 15 {
        (
            "CASE WHEN r.prattrs IS NOT NULL THEN (SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum)
                FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)) END",
            "pg_catalog.pg_get_expr(r.prqual, r.prrelid)",
        )
    } else {
        ("NULL::json", "NULL::text")
    };
    format!(
        "SELECT p.pubname AS name, {columns} AS columns, {filter} AS filter
         FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
         WHERE r.prrelid = $1 AND p.pubname !~ '^cofferdam_[0-9a-f]{{12}}$' ORDER BY 1"
    )
}

impl Publication {
    pub(super) async fn read(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<Self>> {
        catalog.rows(&query(catalog.major), oid).await
    }

    /// Brings `table` into it.
    pub(super) fn add(&self, table: &str) -> Result<String> {
        let mut out = format!("ALTER PUBLICATION {} ADD TABLE ONLY {table}", ident(&self.name)?);
        if let Some(columns) = &self.columns {
            let quoted = columns.iter().map(|c| ident(c)).collect::<Result<Vec<_>>>()?;
            out += &format!(" ({})", quoted.join(", "));
        }
        if let Some(filter) = &self.filter {
            out += &format!(" WHERE ({filter})");
        }
        Ok(out)
    }

    /// Takes `table` out of it.
    pub(super) fn remove(&self, table: &str) -> Result<String> {
        Ok(format!("ALTER PUBLICATION {} DROP TABLE ONLY {table}", ident(&self.name)?))
    }
}
