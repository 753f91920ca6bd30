//! The columns.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, ident, literal};
use super::grants::{self, Grant};
use super::table::option;

/// What the catalog says of a column.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Column {
    pub(super) number: i16,
    pub(super) name: String,
    /// Its type as SQL text with its modifier, `character varying(20)`.
    pub(super) ty: String,
    /// The same without the modifier.
    pub(super) bare: String,
    /// The type's own name in `pg_catalog`, of a domain that of what it is over; `None`: some other schema's.
    pub(super) base: Option<String>,
    pub(super) modifier: i32,
    /// Its output for the wire, quoted; the type may have none.
    pub(super) send: Option<String>,
    /// The type's category: `S` strings, `N` numbers, `A` arrays, `E` enums ...
    pub(super) category: String,
    /// Its collation as SQL text, where the type has one.
    pub(super) collation: Option<String>,
    /// It is not the one that the type has anyway.
    own_collation: bool,
    pub(super) not_null: bool,
    /// From version 18 on NOT NULL has a name.
    pub(super) not_null_name: Option<String>,
    not_null_no_inherit: bool,
    pub(super) not_null_valid: bool,
    pub(super) not_null_comment: Option<String>,
    /// The default, or what a generated column is generated from.
    pub(super) default: Option<String>,
    /// The value that rows have which are older than the column, as a text.
    pub(super) missing: Option<String>,
    /// ``, `a` or `d`.
    pub(super) identity: String,
    /// ``, `s` or `v`.
    pub(super) generated: String,
    storage: String,
    type_storage: String,
    compression: String,
    options: Option<Vec<String>>,
    statistics: Option<i32>,
    pub(super) comment: Option<String>,
    pub(super) acl: Option<Vec<Grant>>,
}

fn query(major: u32) -> String {
    let compression = if major >= 14 { "a.attcompression::text" } else { "''" };
    let not_null = if major >= 18 {
        "LEFT JOIN pg_catalog.pg_constraint nn ON nn.conrelid = a.attrelid AND nn.contype = 'n' AND nn.conkey = ARRAY[a.attnum]"
    } else {
        "LEFT JOIN pg_catalog.pg_constraint nn ON false"
    };
    format!(
        "SELECT a.attnum AS number, a.attname AS name,
            pg_catalog.format_type(a.atttypid, a.atttypmod) AS ty,
            pg_catalog.format_type(a.atttypid, NULL) AS bare,
            CASE WHEN b.typnamespace = 'pg_catalog'::pg_catalog.regnamespace THEN b.typname END AS base,
            CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS modifier,
            CASE WHEN b.typsend <> 0 THEN (SELECT pg_catalog.format('%I.%I', pn.nspname, p.proname)
                FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace pn ON pn.oid = p.pronamespace
                WHERE p.oid = b.typsend) END AS send,
            b.typcategory::text AS category,
            pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname) AS collation,
            a.attcollation <> t.typcollation AS own_collation,
            a.attnotnull AS not_null, nn.conname AS not_null_name,
            coalesce(nn.connoinherit, false) AS not_null_no_inherit,
            coalesce(nn.convalidated, true) AS not_null_valid,
            pg_catalog.obj_description(nn.oid, 'pg_constraint') AS not_null_comment,
            pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS default,
            CASE WHEN a.atthasmissing THEN ((a.attmissingval::text)::text[])[1] END AS missing,
            a.attidentity::text AS identity, a.attgenerated::text AS generated,
            a.attstorage::text AS storage, t.typstorage::text AS type_storage,
            {compression} AS compression, a.attoptions AS options,
            nullif(a.attstattarget::int4, -1) AS statistics,
            pg_catalog.col_description(a.attrelid, a.attnum) AS comment, {acl} AS acl
         FROM pg_catalog.pg_attribute a
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
         JOIN LATERAL (WITH RECURSIVE down(oid, base) AS (
                SELECT t.oid, CASE WHEN t.typtype = 'd' THEN t.typbasetype END
                UNION ALL SELECT x.oid, CASE WHEN x.typtype = 'd' THEN x.typbasetype END
                FROM down JOIN pg_catalog.pg_type x ON x.oid = down.base)
            SELECT bt.* FROM down JOIN pg_catalog.pg_type bt ON bt.oid = down.oid WHERE down.base IS NULL) b ON true
         LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
         LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
         LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         {not_null}
         WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        acl = grants::acl("a.attacl")
    )
}

impl Column {
    pub(super) async fn read(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<Self>> {
        catalog.rows(&query(catalog.major), oid).await
    }

    /// Values are written to it, not computed by the server.
    pub(super) fn stored(&self) -> bool {
        self.generated.is_empty()
    }

    /// Its line in CREATE TABLE. `identity`: what stands in the brackets of an identity column.
    pub(super) fn definition(&self, identity: Option<&str>) -> Result<String> {
        let mut out = format!("{} {}", ident(&self.name)?, self.ty);
        if let (Some(collation), true) = (&self.collation, self.own_collation) {
            out += &format!(" COLLATE {collation}");
        }
        match (self.generated.as_str(), &self.default, self.identity.as_str()) {
            ("s", Some(expression), _) => out += &format!(" GENERATED ALWAYS AS ({expression}) STORED"),
            ("v", Some(expression), _) => out += &format!(" GENERATED ALWAYS AS ({expression}) VIRTUAL"),
            (_, Some(default), _) => out += &format!(" DEFAULT {default}"),
            (_, None, "") => {}
            (_, None, kind) => {
                let kind = if kind == "a" { "ALWAYS" } else { "BY DEFAULT" };
                out += &format!(" GENERATED {kind} AS IDENTITY ({})", identity.unwrap_or_default());
            }
        }
        if self.not_null && self.not_null_valid {
            match &self.not_null_name {
                Some(name) => out += &format!(" CONSTRAINT {} NOT NULL", ident(name)?),
                None => out += " NOT NULL",
            }
            if self.not_null_no_inherit {
                out += " NO INHERIT";
            }
        }
        Ok(out)
    }

    /// What ALTER TABLE must add, because CREATE TABLE cannot say it in all versions.
    pub(super) fn adjustments(&self) -> Result<Vec<String>> {
        let mut out = Vec::new();
        let name = ident(&self.name)?;
        let mut alter = |what: String| out.push(format!("ALTER COLUMN {name} {what}"));
        if self.storage != self.type_storage {
            let storage = match self.storage.as_str() {
                "p" => "PLAIN",
                "e" => "EXTERNAL",
                "m" => "MAIN",
                _ => "EXTENDED",
            };
            alter(format!("SET STORAGE {storage}"));
        }
        match self.compression.as_str() {
            "p" => alter("SET COMPRESSION pglz".into()),
            "l" => alter("SET COMPRESSION lz4".into()),
            _ => {}
        }
        let options = self.options.iter().flatten().map(|o| option(o)).collect::<Result<Vec<_>>>()?;
        if !options.is_empty() {
            alter(format!("SET ({})", options.join(", ")));
        }
        if let Some(target) = self.statistics {
            alter(format!("SET STATISTICS {target}"));
        }
        Ok(out)
    }

    /// The value of rows that are older than the column, where the server keeps it.
    pub(super) fn missing_literal(&self) -> Result<Option<String>> {
        self.missing.as_ref().map(|m| Ok(format!("{}::{}", literal(m)?, self.ty))).transpose()
    }
}
