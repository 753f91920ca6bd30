//! The table itself.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, ident, literal};
use super::grants::{self, Grant};

/// What the catalog says of a relation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Table {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    /// With its schema, quoted as the server quotes: this is how it stands in what the server prints.
    pub(super) printed: String,
    /// `r` is a plain table.
    pub(super) kind: String,
    /// `p`, `u` (unlogged) or `t` (temporary).
    pub(super) persistence: String,
    pub(super) owner: String,
    pub(super) access_method: Option<String>,
    pub(super) tablespace: Option<String>,
    options: Option<Vec<String>>,
    toast_options: Option<Vec<String>>,
    /// `d`, `n`, `f` or `i`.
    pub(super) replica_identity: String,
    pub(super) row_security: bool,
    pub(super) force_row_security: bool,
    /// Row security applies to who we are.
    pub(super) row_security_active: bool,
    pub(super) is_partition: bool,
    pub(super) typed: bool,
    /// Number of the file that holds its rows.
    pub(super) file: Option<i64>,
    pub(super) comment: Option<String>,
    pub(super) acl: Option<Vec<Grant>>,
    pub(super) rows: f64,
    pub(super) bytes: i64,
}

fn query() -> String {
    format!(
        "SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name,
            pg_catalog.format('%I.%I', n.nspname, c.relname) AS printed,
            c.relkind::text AS kind, c.relpersistence::text AS persistence,
            pg_catalog.pg_get_userbyid(c.relowner) AS owner, am.amname AS access_method,
            ts.spcname AS tablespace, c.reloptions AS options, toast.reloptions AS toast_options,
            c.relreplident::text AS replica_identity,
            c.relrowsecurity AS row_security, c.relforcerowsecurity AS force_row_security,
            pg_catalog.row_security_active(c.oid) AS row_security_active,
            c.relispartition AS is_partition, c.reloftype <> 0 AS typed,
            pg_catalog.pg_relation_filenode(c.oid)::int8 AS file,
            pg_catalog.obj_description(c.oid, 'pg_class') AS comment, {acl} AS acl,
            greatest(c.reltuples, 0)::float8 AS rows,
            coalesce(CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_total_relation_size(c.oid) END, 0) AS bytes
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
         LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
         LEFT JOIN pg_catalog.pg_class toast ON toast.oid = c.reltoastrelid
         WHERE c.oid = $1",
        acl = grants::acl("c.relacl")
    )
}

impl Table {
    pub(super) async fn read(catalog: &Catalog<'_>, oid: u32) -> Result<Option<Self>> {
        Ok(catalog.rows(&query(), oid).await?.into_iter().next())
    }

    /// What follows the closing bracket of CREATE TABLE.
    pub(super) fn storage(&self) -> Result<String> {
        let mut out = String::new();
        if let Some(method) = &self.access_method {
            out += &format!(" USING {}", ident(method)?);
        }
        let own = self.options.iter().flatten().map(|o| (String::new(), o));
        let toast = self.toast_options.iter().flatten().map(|o| ("toast.".to_owned(), o));
        let options = own.chain(toast).map(|(p, o)| Ok(p + &option(o)?)).collect::<Result<Vec<_>>>()?;
        if !options.is_empty() {
            out += &format!(" WITH ({})", options.join(", "));
        }
        if let Some(tablespace) = &self.tablespace {
            out += &format!(" TABLESPACE {}", ident(tablespace)?);
        }
        Ok(out)
    }
}

/// `fillfactor=70` as it stands in a list of options.
pub(super) fn option(text: &str) -> Result<String> {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    Ok(format!("{} = {}", ident(name)?, literal(value)?))
}
