//! The indexes, with the constraints that stand on them.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::{Catalog, comment, ident, unreadable};

/// What the catalog says of an index.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Index {
    pub(super) oid: u32,
    pub(super) name: String,
    pub(super) unique: bool,
    pub(super) primary: bool,
    pub(super) immediate: bool,
    pub(super) valid: bool,
    clustered: bool,
    replica_identity: bool,
    pub(super) partial: bool,
    pub(super) nulls_not_distinct: bool,
    pub(super) method: String,
    /// `CREATE UNIQUE INDEX name ON s.t `, as `definition` begins.
    head: String,
    definition: String,
    tablespace: Option<String>,
    pub(super) file: Option<i64>,
    comment: Option<String>,
    /// Targets for statistics of its expressions, with the numbers of their columns.
    statistics: Vec<(i16, i32)>,
    /// The columns by which it sorts and tells apart.
    pub(super) keys: Vec<KeyPart>,
    pub(super) constraint: Option<OfConstraint>,
}

/// A column of an index that is more than luggage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct KeyPart {
    /// `None`: an expression.
    pub(super) column: Option<String>,
    /// The operator class is the type's default one.
    pub(super) default_class: bool,
    /// The collation is the column's own.
    pub(super) own_collation: bool,
    pub(super) descending: bool,
}

/// The constraint that an index is there for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct OfConstraint {
    pub(super) name: String,
    /// `p`, `u` or `x`.
    pub(super) kind: String,
    pub(super) deferrable: bool,
    pub(super) deferred: bool,
    pub(super) definition: String,
    pub(super) comment: Option<String>,
    /// WITHOUT OVERLAPS.
    pub(super) period: bool,
}

fn query(major: u32) -> String {
    let nulls = if major >= 15 { "i.indnullsnotdistinct" } else { "false" };
    let period = if major >= 18 { "k.conperiod" } else { "false" };
    format!(
        "SELECT i.indexrelid::int8 AS oid, c.relname AS name, i.indisunique AS unique, i.indisprimary AS primary,
            i.indimmediate AS immediate, i.indisvalid AND i.indisready AND i.indislive AS valid,
            i.indisclustered AS clustered, i.indisreplident AS replica_identity, i.indpred IS NOT NULL AS partial,
            {nulls} AS nulls_not_distinct, am.amname AS method,
            pg_catalog.format('CREATE %sINDEX %I ON %I.%I ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END,
                c.relname, tn.nspname, t.relname) AS head,
            pg_catalog.pg_get_indexdef(i.indexrelid) AS definition, ts.spcname AS tablespace,
            pg_catalog.pg_relation_filenode(i.indexrelid)::int8 AS file,
            pg_catalog.obj_description(i.indexrelid, 'pg_class') AS comment,
            (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attstattarget) ORDER BY a.attnum), '[]')
             FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0) AS statistics,
            (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('column', a.attname,
                'default_class', o.opcdefault,
                'own_collation', a.attname IS NULL OR (i.indcollation::oid[])[n - 1] = a.attcollation,
                'descending', ((i.indoption::int2[])[n - 1] & 1) = 1) ORDER BY n), '[]')
             FROM pg_catalog.generate_series(1, i.indnkeyatts) n
             JOIN pg_catalog.pg_opclass o ON o.oid = (i.indclass::oid[])[n - 1]
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = (i.indkey::int2[])[n - 1]
                AND a.attnum <> 0) AS keys,
            CASE WHEN k.oid IS NOT NULL THEN pg_catalog.json_build_object('name', k.conname, 'kind', k.contype::text,
                'deferrable', k.condeferrable, 'deferred', k.condeferred,
                'definition', pg_catalog.pg_get_constraintdef(k.oid), 'period', {period},
                'comment', pg_catalog.obj_description(k.oid, 'pg_constraint')) END AS constraint
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
         JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
         JOIN pg_catalog.pg_am am ON am.oid = c.relam
         LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
         LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
            AND k.contype IN ('p', 'u', 'x')
         WHERE i.indrelid = $1 ORDER BY c.relname"
    )
}

impl Index {
    pub(super) async fn read(catalog: &Catalog<'_>, oid: u32) -> Result<Vec<Self>> {
        catalog.rows(&query(catalog.major), oid).await
    }

    /// It can only be made by adding its constraint.
    fn by_constraint(&self) -> bool {
        self.constraint.as_ref().is_some_and(|c| c.kind == "x" || c.period)
    }

    /// Makes it on `table`; `None`: [`Index::finish`] does.
    pub(super) fn create(&self, table: &str) -> Result<Option<String>> {
        if self.by_constraint() {
            return Ok(None);
        }
        let Some(tail) = self.definition.strip_prefix(&self.head) else {
            return Err(unreadable(&format!("the index {}", self.name), &self.definition));
        };
        let unique = if self.unique { "UNIQUE " } else { "" };
        let create = format!("CREATE {unique}INDEX {} ON {table} {tail}", ident(&self.name)?);
        Ok(Some(match self.in_tablespace()? {
            Some(set) => format!("{set}; {create}"),
            None => create,
        }))
    }

    fn in_tablespace(&self) -> Result<Option<String>> {
        let set = |t: &String| Ok(format!("SET LOCAL default_tablespace = {}", ident(t)?));
        self.tablespace.as_ref().map(set).transpose()
    }

    /// What makes it what it is, once it is there: its constraint, marks, targets and comments.
    pub(super) fn finish(&self, schema: &str, table: &str) -> Result<Vec<String>> {
        let mut out = Vec::new();
        let name = ident(&self.name)?;
        if let Some(constraint) = &self.constraint {
            let constraint_name = ident(&constraint.name)?;
            let body = if self.by_constraint() {
                constraint.definition.clone()
            } else {
                let kind = if constraint.kind == "p" { "PRIMARY KEY" } else { "UNIQUE" };
                let deferrable = match (constraint.deferrable, constraint.deferred) {
                    (false, _) => "",
                    (true, false) => " DEFERRABLE",
                    (true, true) => " DEFERRABLE INITIALLY DEFERRED",
                };
                format!("{kind} USING INDEX {name}{deferrable}")
            };
            let add = format!("ALTER TABLE {table} ADD CONSTRAINT {constraint_name} {body}");
            out.push(match self.in_tablespace()?.filter(|_| self.by_constraint()) {
                Some(set) => format!("{set}; {add}"),
                None => add,
            });
            let on = format!("CONSTRAINT {constraint_name} ON {table}");
            comment(&mut out, &on, constraint.comment.as_deref())?;
        }
        let own = format!("{}.{name}", ident(schema)?);
        for (column, target) in &self.statistics {
            out.push(format!("ALTER INDEX {own} ALTER COLUMN {column} SET STATISTICS {target}"));
        }
        if self.clustered {
            out.push(format!("ALTER TABLE {table} CLUSTER ON {name}"));
        }
        if self.replica_identity {
            out.push(format!("ALTER TABLE {table} REPLICA IDENTITY USING INDEX {name}"));
        }
        comment(&mut out, &format!("INDEX {own}"), self.comment.as_deref())?;
        Ok(out)
    }
}
