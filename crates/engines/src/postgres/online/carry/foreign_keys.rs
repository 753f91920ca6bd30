//! Foreign keys: from the table, to the table, and from the table to itself.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, comment, ident, unreadable};

/// What the catalog says of a foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ForeignKey {
    pub(super) oid: u32,
    pub(super) name: String,
    /// The table that refers.
    pub(super) child: u32,
    pub(super) child_printed: String,
    /// `p`: partitioned.
    pub(super) child_kind: String,
    /// The table that is referred to.
    pub(super) parent: u32,
    pub(super) parent_printed: String,
    pub(super) definition: String,
    pub(super) valid: bool,
    /// From version 18 on there are some that are not enforced.
    pub(super) enforced: bool,
    /// The pairs of columns, quoted: of the child, of the parent.
    pub(super) columns: Vec<(String, String)>,
    /// MATCH FULL.
    pub(super) full: bool,
    comment: Option<String>,
}

fn query(major: u32) -> String {
    let enforced = if major >= 18 { "k.conenforced" } else { "true" };
    format!(
        "SELECT k.oid::int8 AS oid, k.conname AS name, k.conrelid::int8 AS child, c.relkind::text AS child_kind,
            pg_catalog.format('%I.%I', cn.nspname, c.relname) AS child_printed,
            k.confrelid::int8 AS parent, pg_catalog.format('%I.%I', pn.nspname, p.relname) AS parent_printed,
            pg_catalog.pg_get_constraintdef(k.oid) AS definition, k.convalidated AS valid, {enforced} AS enforced,
            (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(pg_catalog.quote_ident(ca.attname),
                pg_catalog.quote_ident(pa.attname)) ORDER BY u.ordinality)
             FROM ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey)) WITH ORDINALITY AS u(a, b, ordinality)
             JOIN pg_catalog.pg_attribute ca ON ca.attrelid = k.conrelid AND ca.attnum = u.a
             JOIN pg_catalog.pg_attribute pa ON pa.attrelid = k.confrelid AND pa.attnum = u.b) AS columns,
            k.confmatchtype = 'f' AS full,
            pg_catalog.obj_description(k.oid, 'pg_constraint') AS comment
         FROM pg_catalog.pg_constraint k
         JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
         JOIN pg_catalog.pg_class p ON p.oid = k.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
         WHERE k.contype = 'f' AND (k.conrelid = $1 OR k.confrelid = $1) AND k.conparentid = 0
         ORDER BY k.conrelid, k.conname"
    )
}

impl ForeignKey {
    pub(super) async fn read(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<Self>> {
        catalog.rows(&query(catalog.major), oid).await
    }

    /// Its definition with another table in the place of the one that it refers to.
    pub(super) fn to(&self, parent: &str) -> Result<String> {
        let printed = format!(" REFERENCES {}(", self.parent_printed);
        match self.definition.split_once(&printed) {
            Some((before, after)) => Ok(format!("{before} REFERENCES {parent}({after}")),
            None => Err(unreadable(&format!("the foreign key {}", self.name), &self.definition)),
        }
    }

    /// The same with another one's comment.
    pub(super) fn commented_as(self, other: Option<&ForeignKey>) -> Self {
        Self { comment: other.and_then(|o| o.comment.clone()), ..self }
    }

    /// A subcommand of ALTER TABLE: it holds for what is written from now on.
    pub(super) fn add(&self, parent: &str) -> Result<String> {
        let definition = self.to(parent)?;
        let later = if self.valid && self.enforced { " NOT VALID" } else { "" };
        Ok(format!("ADD CONSTRAINT {} {definition}{later}", ident(&self.name)?))
    }

    /// A subcommand of ALTER TABLE.
    pub(super) fn remove(&self) -> Result<String> {
        Ok(format!("DROP CONSTRAINT {}", ident(&self.name)?))
    }

    /// Proves it for the rows that are there; nobody is blocked by it.
    pub(super) fn validate(&self, child: &str) -> Result<Option<String>> {
        Ok(match self.valid && self.enforced {
            true => Some(format!("ALTER TABLE {child} VALIDATE CONSTRAINT {}", ident(&self.name)?)),
            false => None,
        })
    }

    /// Its comment.
    pub(super) fn comments(&self, out: &mut Vec<String>, child: &str) -> Result<()> {
        comment(out, &format!("CONSTRAINT {} ON {child}", ident(&self.name)?), self.comment.as_deref())
    }

    /// A condition over the alias `n`, a row of the table that refers: nothing is there that it refers to.
    pub(super) fn broken(&self, parent: &str) -> String {
        let of = |side: fn(&(String, String)) -> String, with: &str| {
            self.columns.iter().map(side).collect::<Vec<_>>().join(with)
        };
        let all_set = of(|(c, _)| format!("n.{c} IS NOT NULL"), " AND ");
        let same = of(|(c, p)| format!("p.{p} = n.{c}"), " AND ");
        let missing = format!("({all_set} AND NOT EXISTS (SELECT FROM {parent} p WHERE {same}))");
        if !self.full {
            return missing;
        }
        let any_set = of(|(c, _)| format!("n.{c} IS NOT NULL"), " OR ");
        format!("({missing} OR (({any_set}) AND NOT ({all_set})))")
    }
}
