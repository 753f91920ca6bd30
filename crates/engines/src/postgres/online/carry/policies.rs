//! Policies of row-level security.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, comment, ident};

/// What the catalog says of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Policy {
    pub(super) name: String,
    /// The table that it is on, as the server prints it.
    pub(super) table: String,
    /// `*`, `r`, `a`, `w` or `d`.
    command: String,
    permissive: bool,
    /// NULL in it: PUBLIC.
    roles: Vec<Option<String>>,
    using: Option<String>,
    check: Option<String>,
    comment: Option<String>,
    /// The columns of the table that is changed which a policy of another table reads.
    #[serde(default)]
    pub(super) reads: Vec<i16>,
}

const SELECT: &str = "SELECT p.polname AS name, pg_catalog.format('%I.%I', n.nspname, c.relname) AS table,
        p.polcmd::text AS command, p.polpermissive AS permissive,
        (SELECT pg_catalog.json_agg(CASE WHEN r <> 0 THEN pg_catalog.pg_get_userbyid(r) END) FROM pg_catalog.unnest(p.polroles) r) AS roles,
        pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS using,
        pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS check,
        pg_catalog.obj_description(p.oid, 'pg_policy') AS comment";
const FROM: &str = "FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace";

impl Policy {
    /// Those on the table.
    pub(super) async fn read(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<Self>> {
        catalog.rows(&format!("{SELECT} {FROM} WHERE p.polrelid = $1 ORDER BY p.polname"), oid).await
    }

    /// Those on other tables that read this one.
    pub(super) async fn elsewhere(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<Self>> {
        let query = format!(
            "{SELECT}, d.reads {FROM} JOIN (SELECT objid, pg_catalog.array_agg(DISTINCT refobjsubid) AS reads
                FROM pg_catalog.pg_depend WHERE classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
                  AND refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND refobjid = $1 GROUP BY 1) d ON d.objid = p.oid
             WHERE p.polrelid <> $1 ORDER BY 2, 1"
        );
        catalog.rows(&query, oid).await
    }

    /// Makes it on `table`.
    pub(super) fn create(&self, table: &str) -> Result<Vec<String>> {
        let kind = if self.permissive { "PERMISSIVE" } else { "RESTRICTIVE" };
        let command = match self.command.as_str() {
            "r" => "SELECT",
            "a" => "INSERT",
            "w" => "UPDATE",
            "d" => "DELETE",
            _ => "ALL",
        };
        let roles = self
            .roles
            .iter()
            .map(|r| r.as_deref().map_or(Ok("PUBLIC".to_owned()), ident))
            .collect::<Result<Vec<_>>>()?;
        let name = ident(&self.name)?;
        let mut out = vec![format!(
            "CREATE POLICY {name} ON {table} AS {kind} FOR {command} TO {}{}",
            roles.join(", "),
            self.conditions()
        )];
        comment(&mut out, &format!("POLICY {name} ON {table}"), self.comment.as_deref())?;
        Ok(out)
    }

    fn conditions(&self) -> String {
        let using = self.using.as_ref().map(|u| format!(" USING ({u})")).unwrap_or_default();
        let check = self.check.as_ref().map(|c| format!(" WITH CHECK ({c})")).unwrap_or_default();
        using + &check
    }

    /// Reads its conditions anew, so that a name in it means the table that bears it now.
    pub(super) fn read_anew(&self) -> Result<String> {
        Ok(format!("ALTER POLICY {} ON {}{}", ident(&self.name)?, self.table, self.conditions()))
    }

    /// Locks the table that it is on for the transaction.
    pub(super) fn lock(&self) -> String {
        format!("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE", self.table)
    }

    /// Takes it away.
    pub(super) fn remove(&self, table: &str) -> Result<String> {
        Ok(format!("DROP POLICY {} ON {table}", ident(&self.name)?))
    }
}
