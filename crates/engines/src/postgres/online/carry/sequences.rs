//! Sequences that belong to columns: those of identity columns, which each table has of its own, and those of serial
//! columns, which both tables use.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, comment, ident, literal, qualified};
use super::grants::{self, By, Grant, Grantee};

/// What the catalog says of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Sequence {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    /// It makes an identity column's values.
    pub(super) identity: bool,
    pub(super) column: String,
    ty: String,
    start: i64,
    increment: i64,
    maximum: i64,
    minimum: i64,
    cache: i64,
    cycle: bool,
    owner: String,
    comment: Option<String>,
    pub(super) acl: Option<Vec<Grant>>,
    /// Something else than the column's own default uses it.
    pub(super) used_elsewhere: Vec<String>,
}

fn query() -> String {
    format!(
        "SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, d.deptype = 'i' AS identity,
            a.attname AS column, pg_catalog.format_type(s.seqtypid, NULL) AS ty, s.seqstart AS start,
            s.seqincrement AS increment, s.seqmax AS maximum, s.seqmin AS minimum, s.seqcache AS cache,
            s.seqcycle AS cycle, pg_catalog.pg_get_userbyid(c.relowner) AS owner,
            pg_catalog.obj_description(c.oid, 'pg_class') AS comment, {acl} AS acl,
            (SELECT coalesce(pg_catalog.json_agg(pg_catalog.pg_describe_object(u.classid, u.objid, u.objsubid)), '[]')
             FROM pg_catalog.pg_depend u WHERE u.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
               AND u.refobjid = c.oid AND u.deptype = 'n' AND NOT EXISTS (SELECT FROM pg_catalog.pg_attrdef f
                  WHERE u.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND f.oid = u.objid AND f.adrelid = $1)
            ) AS used_elsewhere
         FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S'
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid
         JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1
           AND d.deptype IN ('a', 'i') ORDER BY a.attnum, c.relname",
        acl = grants::acl("c.relacl")
    )
}

impl Sequence {
    pub(super) async fn read(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<Self>> {
        catalog.rows(&query(), oid).await
    }

    /// What stands in the brackets of its identity column, with the sequence in `schema`.
    pub(super) fn options(&self, schema: &str) -> Result<String> {
        Ok(format!("SEQUENCE NAME {} {}", qualified(schema, &self.name)?, self.numbers()))
    }

    fn numbers(&self) -> String {
        format!(
            "INCREMENT BY {} MINVALUE {} MAXVALUE {} START WITH {} CACHE {} {}",
            self.increment,
            self.minimum,
            self.maximum,
            self.start,
            self.cache,
            if self.cycle { "CYCLE" } else { "NO CYCLE" }
        )
    }

    /// Makes one that the clauses added, in `schema`.
    pub(super) fn create(&self, schema: &str) -> Result<String> {
        Ok(format!("CREATE SEQUENCE {} AS {} {}", qualified(schema, &self.name)?, self.ty, self.numbers()))
    }

    /// Gives it to its column.
    pub(super) fn own(&self, schema: &str, table: &str) -> Result<String> {
        let column = ident(&self.column)?;
        Ok(format!("ALTER SEQUENCE {} OWNED BY {table}.{column}", qualified(schema, &self.name)?))
    }

    /// Takes it from its column.
    pub(super) fn disown(&self) -> Result<String> {
        Ok(format!("ALTER SEQUENCE {} OWNED BY NONE", qualified(&self.schema, &self.name)?))
    }

    /// It goes on where the other table's stands, as far as it can count.
    pub(super) fn go_on(&self, here: &str, from: &Sequence, there: &str) -> Result<String> {
        let (own, other) = (qualified(here, &self.name)?, qualified(there, &from.name)?);
        Ok(format!(
            "SELECT pg_catalog.setval({}::pg_catalog.regclass, least(s.last_value, {}), s.is_called) FROM {other} s",
            literal(&own)?,
            self.maximum
        ))
    }

    /// Comment and grants of an identity column's sequence in `schema`.
    pub(super) fn finish(&self, schema: &str, leaked: &[Grantee]) -> Result<Vec<String>> {
        let own = format!("SEQUENCE {}", qualified(schema, &self.name)?);
        let mut out = grants::reset(&own, &self.owner, self.acl.as_deref(), leaked)?;
        out.extend(grants::grant(
            &own,
            None,
            &self.owner,
            self.acl.as_deref().unwrap_or_default(),
            By::Owner,
        )?);
        comment(&mut out, &own, self.comment.as_deref())?;
        Ok(out)
    }
}
