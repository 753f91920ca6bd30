//! What belongs to tables that are to be put aside, read from the catalog.
//!
//! Everything is read with an empty search path, so that the server prints names with their schemas, and under the lock
//! of the tables, so that it stays true.

use tokio_postgres::types::Type;

use cofferdam_core::fault::Result;
use cofferdam_core::{Name, QuotedLiteral};

use super::super::cells::{AnswerCells, RowCells};
use super::Work;
use super::record::{Attached, Key, Published, Relation};

/// A table or partition that would go.
pub(super) struct Member {
    pub(super) oid: u32,
    pub(super) relation: Relation,
    /// It belongs to a session.
    pub(super) temporary: bool,
    /// It shows its rows through a parent by INHERITS.
    pub(super) inherits: bool,
}

/// The tables with these numbers and all of their partitions, each once.
pub(super) async fn members(work: &Work<'_>, oids: &[u32]) -> Result<Vec<Member>> {
    let sql = "WITH RECURSIVE tree (oid, top) AS (
                   SELECT o.oid, true FROM pg_catalog.unnest($1) AS o (oid)
                   UNION
                   SELECT i.inhrelid, false FROM tree t
                   JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) t.oid
                   JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) t.oid AND p.relkind OPERATOR(pg_catalog.=) 'p'
               )
               SELECT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, pg_catalog.bool_or(t.top),
                      c.relkind::pg_catalog.text, c.relpersistence OPERATOR(pg_catalog.=) 't',
                      NOT c.relispartition AND EXISTS (SELECT FROM pg_catalog.pg_inherits i
                                                       WHERE i.inhrelid OPERATOR(pg_catalog.=) c.oid)
               FROM tree t JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.oid
               JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
               GROUP BY 1, 2, 3, 5, 6, 7
               ORDER BY 4 DESC, 2, 3";
    let rows = work.ask(sql, &[(&oids, Type::OID_ARRAY)]).await?;
    rows.iter()
        .map(|row| {
            Ok(Member {
                oid: row.cell(0)?,
                relation: Relation {
                    name: Name::qualified(row.cell::<String>(1)?, row.cell::<String>(2)?),
                    top: row.cell(3)?,
                    kind: row.cell(4)?,
                },
                temporary: row.cell(5)?,
                inherits: row.cell(6)?,
            })
        })
        .collect()
}

/// Foreign keys of these tables to tables that are not among them.
pub(super) async fn keys(work: &Work<'_>, oids: &[u32]) -> Result<Vec<Key>> {
    let sql = "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, k.conname::pg_catalog.text,
                      pg_catalog.pg_get_constraintdef(k.oid), k.convalidated, c.relkind OPERATOR(pg_catalog.=) 'p',
                      pg_catalog.obj_description(k.oid, 'pg_constraint')
               FROM pg_catalog.pg_constraint k
               JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) k.conrelid
               JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
               WHERE k.contype OPERATOR(pg_catalog.=) 'f' AND k.conparentid OPERATOR(pg_catalog.=) 0
                 AND k.conrelid OPERATOR(pg_catalog.=) ANY ($1)
                 AND NOT k.confrelid OPERATOR(pg_catalog.=) ANY ($1)
               ORDER BY 1, 2, 3";
    let rows = work.ask(sql, &[(&oids, Type::OID_ARRAY)]).await?;
    rows.iter()
        .map(|row| {
            Ok(Key {
                table: Name::qualified(row.cell::<String>(0)?, row.cell::<String>(1)?),
                name: row.cell(2)?,
                definition: row.cell(3)?,
                validated: row.cell(4)?,
                partitioned: row.cell(5)?,
                comment: row.cell(6)?,
            })
        })
        .collect()
}

/// Foreign keys that a partition has from the table that it is detached from: they stay behind on it as its own, and
/// come back by themselves when it is attached again.
pub(super) async fn inherited_keys(work: &Work<'_>, oids: &[u32]) -> Result<Vec<(Name, String)>> {
    let sql = "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, k.conname::pg_catalog.text
               FROM pg_catalog.pg_constraint k
               JOIN pg_catalog.pg_constraint p ON p.oid OPERATOR(pg_catalog.=) k.conparentid
               JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) k.conrelid
               JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
               WHERE k.contype OPERATOR(pg_catalog.=) 'f' AND k.conrelid OPERATOR(pg_catalog.=) ANY ($1)
                 AND NOT p.conrelid OPERATOR(pg_catalog.=) ANY ($1)
               ORDER BY 1, 2, 3";
    let rows = work.ask(sql, &[(&oids, Type::OID_ARRAY)]).await?;
    rows.iter()
        .map(|row| Ok((Name::qualified(row.cell::<String>(0)?, row.cell::<String>(1)?), row.cell(2)?)))
        .collect()
}

/// The places of partitions in tables that are not among these.
pub(super) async fn attached(work: &Work<'_>, oids: &[u32]) -> Result<Vec<Attached>> {
    let sql = "SELECT pn.nspname::pg_catalog.text, p.relname::pg_catalog.text, n.nspname::pg_catalog.text,
                      c.relname::pg_catalog.text, pg_catalog.pg_get_expr(c.relpartbound, c.oid)
               FROM pg_catalog.pg_inherits i
               JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.inhrelid AND c.relispartition
               JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
               JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) i.inhparent
               JOIN pg_catalog.pg_namespace pn ON pn.oid OPERATOR(pg_catalog.=) p.relnamespace
               WHERE i.inhrelid OPERATOR(pg_catalog.=) ANY ($1) AND NOT i.inhparent OPERATOR(pg_catalog.=) ANY ($1)
               ORDER BY 3, 4";
    let rows = work.ask(sql, &[(&oids, Type::OID_ARRAY)]).await?;
    rows.iter()
        .map(|row| {
            Ok(Attached {
                parent: Name::qualified(row.cell::<String>(0)?, row.cell::<String>(1)?),
                partition: Name::qualified(row.cell::<String>(2)?, row.cell::<String>(3)?),
                bound: row.cell(4)?,
            })
        })
        .collect()
}

/// Extended statistics over these tables.
pub(super) async fn statistics(work: &Work<'_>, oids: &[u32]) -> Result<Vec<Name>> {
    let sql = "SELECT n.nspname::pg_catalog.text, s.stxname::pg_catalog.text
               FROM pg_catalog.pg_statistic_ext s
               JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) s.stxnamespace
               WHERE s.stxrelid OPERATOR(pg_catalog.=) ANY ($1) ORDER BY 1, 2";
    let rows = work.ask(sql, &[(&oids, Type::OID_ARRAY)]).await?;
    rows.iter().map(|row| Ok(Name::qualified(row.cell::<String>(0)?, row.cell::<String>(1)?))).collect()
}

/// Publications that name one of these tables.
pub(super) async fn published(work: &Work<'_>, oids: &[u32]) -> Result<Vec<Published>> {
    let rows =
        work.ask("SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4", &[]).await?;
    let version: i32 = rows.first_cell()?.unwrap_or(0);
    let (columns, filter) = match version >= 150_000 {
        true => (
            "(SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum)
              FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) r.prrelid
              AND a.attnum OPERATOR(pg_catalog.=) ANY (r.prattrs::pg_catalog.int2[]))",
            "pg_catalog.pg_get_expr(r.prqual, r.prrelid)",
        ),
        false => ("NULL::pg_catalog.text[]", "NULL::pg_catalog.text"),
    };
    let sql = format!(
        "SELECT p.pubname::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, {columns}, {filter}
         FROM pg_catalog.pg_publication_rel r
         JOIN pg_catalog.pg_publication p ON p.oid OPERATOR(pg_catalog.=) r.prpubid
         JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.prrelid
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
         WHERE r.prrelid OPERATOR(pg_catalog.=) ANY ($1) ORDER BY 1, 2, 3"
    );
    let rows = work.ask(&sql, &[(&oids, Type::OID_ARRAY)]).await?;
    rows.iter()
        .map(|row| {
            Ok(Published {
                publication: row.cell(0)?,
                table: Name::qualified(row.cell::<String>(1)?, row.cell::<String>(2)?),
                columns: row.cell(3)?,
                filter: row.cell(4)?,
            })
        })
        .collect()
}

/// Publications of all tables, which no table can be taken out of.
pub(super) async fn of_all_tables(work: &Work<'_>) -> Result<Vec<String>> {
    let sql = "SELECT pubname::pg_catalog.text FROM pg_catalog.pg_publication WHERE puballtables ORDER BY 1";
    work.ask(sql, &[]).await?.first_cells()
}

/// The relation that a name means now, by its number.
pub(super) async fn oid(work: &Work<'_>, name: &Name) -> Result<Option<u32>> {
    let sql =
        format!("SELECT pg_catalog.to_regclass({})::pg_catalog.oid", QuotedLiteral::new(&name.to_sql()?)?);
    Ok(work.ask(&sql, &[]).await?.first_cell()?.flatten())
}

/// Those of these schemas that are there.
pub(super) async fn schemas(work: &Work<'_>, names: &[String]) -> Result<Vec<String>> {
    let sql = "SELECT nspname::pg_catalog.text FROM pg_catalog.pg_namespace
               WHERE nspname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1)";
    work.ask(sql, &[(&names, Type::TEXT_ARRAY)]).await?.first_cells()
}
