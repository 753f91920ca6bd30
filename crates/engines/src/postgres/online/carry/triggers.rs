//! The users' triggers.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, comment, ident, unreadable};

/// What the catalog says of a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Trigger {
    pub(super) name: String,
    definition: String,
    /// `O`, `D`, `R` or `A`.
    enabled: String,
    comment: Option<String>,
}

/// Ours are left out: they are the data path's.
const QUERY: &str = "SELECT t.tgname AS name, pg_catalog.pg_get_triggerdef(t.oid) AS definition,
        t.tgenabled::text AS enabled, pg_catalog.obj_description(t.oid, 'pg_trigger') AS comment
     FROM pg_catalog.pg_trigger t
     WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND NOT pg_catalog.starts_with(t.tgname::text, 'cofferdam capture')
     ORDER BY t.tgname";

impl Trigger {
    pub(super) async fn read(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<Self>> {
        catalog.rows(QUERY, oid).await
    }

    /// Makes it on `table`, where it does not fire. `printed`: how the server prints the table that it is on now.
    pub(super) fn create(&self, printed: &str, table: &str) -> Result<Vec<String>> {
        let Some((before, after)) = self.definition.split_once(&format!(" ON {printed} ")) else {
            return Err(unreadable(&format!("the trigger {}", self.name), &self.definition));
        };
        let mut out = vec![format!("{before} ON {table} {after}; ALTER TABLE {table} {}", self.disable()?)];
        let on = format!("TRIGGER {} ON {table}", ident(&self.name)?);
        comment(&mut out, &on, self.comment.as_deref())?;
        Ok(out)
    }

    /// The same, firing as another one does.
    pub(super) fn firing_as(self, other: &Trigger) -> Self {
        Self { enabled: other.enabled.clone(), ..self }
    }

    /// A subcommand of ALTER TABLE.
    pub(super) fn disable(&self) -> Result<String> {
        Ok(format!("DISABLE TRIGGER {}", ident(&self.name)?))
    }

    /// A subcommand of ALTER TABLE: it fires as it did. `None`: it did not.
    pub(super) fn enable(&self) -> Result<Option<String>> {
        let how = match self.enabled.as_str() {
            "D" => return Ok(None),
            "R" => "ENABLE REPLICA",
            "A" => "ENABLE ALWAYS",
            _ => "ENABLE",
        };
        Ok(Some(format!("{how} TRIGGER {}", ident(&self.name)?)))
    }
}
