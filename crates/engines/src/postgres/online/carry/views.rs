//! What elsewhere refers to the table by its identity and not by its name: views, rules, functions with a body that
//! the server has read. Each is read anew when the tables are swapped, so that the name means the new one.
//!
//! A view's columns cannot have changed (the server refuses to change a column that a view uses), so CREATE OR
//! REPLACE keeps it as it is: its grants, comment, triggers, defaults and what depends on it.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, ident, unreadable};
use super::table::option;

/// A view or rule that reads or writes the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Rule {
    pub(super) oid: u32,
    pub(super) name: String,
    /// The relation that it is on, as the server prints it.
    pub(super) on: String,
    pub(super) on_oid: u32,
    /// `v` a view, `m` a materialized view.
    pub(super) kind: String,
    /// It is what a view is made of.
    pub(super) is_view: bool,
    /// The view's query, or the statement that makes the rule.
    pub(super) definition: String,
    options: Option<Vec<String>>,
    owner: String,
    /// The table's columns that it uses; 0 is the table as a whole.
    pub(super) reads: Vec<i16>,
}

const RULES: &str = "SELECT r.oid::int8 AS oid, r.rulename AS name,
        pg_catalog.format('%I.%I', n.nspname, c.relname) AS on, c.oid::int8 AS on_oid, c.relkind::text AS kind,
        r.rulename = '_RETURN' AND c.relkind IN ('v', 'm') AS is_view, c.reloptions AS options,
        pg_catalog.pg_get_userbyid(c.relowner) AS owner,
        CASE WHEN r.rulename = '_RETURN' AND c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid)
             ELSE pg_catalog.pg_get_ruledef(r.oid) END AS definition, d.reads
     FROM (SELECT objid, pg_catalog.array_agg(DISTINCT refobjsubid) AS reads FROM pg_catalog.pg_depend
           WHERE classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
             AND refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND refobjid = $1 GROUP BY 1) d
     JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY r.oid";

impl Rule {
    pub(super) async fn read(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<Self>> {
        catalog.rows(RULES, oid).await
    }

    /// Reads it anew.
    pub(super) fn read_anew(&self) -> Result<String> {
        if !self.is_view {
            return match self.definition.strip_prefix("CREATE RULE ") {
                Some(rest) => Ok(format!("CREATE OR REPLACE RULE {}", rest.trim_end().trim_end_matches(';'))),
                None => Err(unreadable(&format!("the rule {}", self.name), &self.definition)),
            };
        }
        let options = self.options.iter().flatten().map(|o| option(o)).collect::<Result<Vec<_>>>()?;
        let with = if options.is_empty() { String::new() } else { format!(" WITH ({})", options.join(", ")) };
        let query = self.definition.trim_end().trim_end_matches(';');
        Ok(format!("CREATE OR REPLACE VIEW {}{with} AS {query}", self.on))
    }

    /// Locks what it is on for the transaction, and of a view nothing that it reads (LOCK TABLE would lock that too):
    /// it is given to the owner that it has, which changes nothing.
    pub(super) fn lock(&self) -> Result<String> {
        Ok(match self.kind.as_str() {
            "v" => format!("ALTER VIEW {} OWNER TO {}", self.on, ident(&self.owner)?),
            _ => format!("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE", self.on),
        })
    }
}

/// A function whose body the server has read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Function {
    /// With its arguments, for people.
    pub(super) name: String,
    pub(super) definition: String,
    pub(super) reads: Vec<i16>,
}

const FUNCTIONS: &str = "SELECT p.oid::pg_catalog.regprocedure::text AS name,
        pg_catalog.pg_get_functiondef(p.oid) AS definition, d.reads
     FROM (SELECT objid, pg_catalog.array_agg(DISTINCT refobjsubid) AS reads FROM pg_catalog.pg_depend
           WHERE classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
             AND refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND refobjid = $1 GROUP BY 1) d
     JOIN pg_catalog.pg_proc p ON p.oid = d.objid ORDER BY p.oid";

impl Function {
    pub(super) async fn read(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<Self>> {
        catalog.rows(FUNCTIONS, oid).await
    }
}
