//! Extended statistics.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, comment, ident, qualified, unreadable};

/// What the catalog says of a statistics object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Statistics {
    pub(super) schema: String,
    pub(super) name: String,
    owner: String,
    /// How the server prints its name.
    printed: String,
    definition: String,
    target: Option<i32>,
    comment: Option<String>,
}

fn query(major: u32) -> String {
    let target = if major >= 13 { "nullif(s.stxstattarget::int4, -1)" } else { "NULL::int4" };
    format!(
        "SELECT n.nspname AS schema, s.stxname AS name, pg_catalog.pg_get_userbyid(s.stxowner) AS owner,
            pg_catalog.format('%I.%I', n.nspname, s.stxname) AS printed,
            pg_catalog.pg_get_statisticsobjdef(s.oid) AS definition, {target} AS target,
            pg_catalog.obj_description(s.oid, 'pg_statistic_ext') AS comment
         FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
         WHERE s.stxrelid = $1 ORDER BY 1, 2"
    )
}

impl Statistics {
    pub(super) async fn read(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<Self>> {
        catalog.rows(&query(catalog.major), oid).await
    }

    /// Makes it in `schema` for `table`. `printed`: how the server prints the table that it is for now.
    pub(super) fn create(&self, schema: &str, printed: &str, table: &str) -> Result<Vec<String>> {
        let middle = self
            .definition
            .strip_prefix(&format!("CREATE STATISTICS {} ", self.printed))
            .and_then(|d| d.strip_suffix(&format!(" FROM {printed}")));
        let Some(middle) = middle else {
            return Err(unreadable(&format!("the statistics {}", self.name), &self.definition));
        };
        let own = qualified(schema, &self.name)?;
        let mut out = vec![
            format!("CREATE STATISTICS {own} {middle} FROM {table}"),
            format!("ALTER STATISTICS {own} OWNER TO {}", ident(&self.owner)?),
        ];
        if let Some(target) = self.target {
            out.push(format!("ALTER STATISTICS {own} SET STATISTICS {target}"));
        }
        comment(&mut out, &format!("STATISTICS {own}"), self.comment.as_deref())?;
        Ok(out)
    }

    /// Moves it from one schema to another.
    pub(super) fn move_to(&self, from: &str, to: &str) -> Result<String> {
        Ok(format!("ALTER STATISTICS {} SET SCHEMA {}", qualified(from, &self.name)?, ident(to)?))
    }
}
