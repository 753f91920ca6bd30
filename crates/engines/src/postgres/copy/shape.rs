//! What tables look like, and the pieces of SQL that follow from it.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use cofferdam_core::backup::{ColumnShape, Encoding, Shape, is_modifier};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Name, QuotedIdent, Refusal};

use crate::copy::{Reach, Wanted};
use crate::postgres::cells::{AnswerCells, RowCells};
use crate::postgres::errors;

/// The tables that are reached, from those that are named. A partition goes with its whole where that is reached too.
const REACHED: &str = "
WITH RECURSIVE reached(oid, reach) AS (
    SELECT * FROM (
        SELECT pg_catalog.to_regclass(n)::pg_catalog.oid AS oid, r AS reach
        FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS given(n, r)
        UNION ALL
        SELECT c.oid, 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
        WHERE s.nspname = ANY ($3)
    ) named WHERE oid IS NOT NULL
  UNION
    SELECT x.oid, r.reach FROM reached r CROSS JOIN LATERAL (
        SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = r.oid
        UNION ALL
        SELECT f.conrelid FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' AND f.confrelid = r.oid AND (
            r.reach = 2 OR r.reach = 1 AND (f.confdeltype IN ('c', 'n', 'd') OR f.confupdtype IN ('c', 'n', 'd')))
    ) x(oid)
)
SELECT DISTINCT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text
FROM reached r JOIN pg_catalog.pg_class c ON c.oid = r.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT (c.relispartition AND EXISTS (
    SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) a JOIN reached o ON o.oid = a.relid WHERE a.relid <> c.oid))";

/// Numbers below this one are the server's own types.
const COLUMNS: &str = "
SELECT a.attname::pg_catalog.text, n.nspname::pg_catalog.text, t.typname::pg_catalog.text,
    CASE WHEN a.atttypmod >= 0 THEN pg_catalog.format_type(a.atttypid, a.atttypmod) END,
    a.attnotnull, a.attgenerated <> '',
    t.oid < 16384 AND t.typsend <> 0 AND (e.oid IS NULL OR e.typsend <> 0),
    coalesce(pg_catalog.array_position(i.indkey::pg_catalog.int2[], a.attnum), -1)::pg_catalog.int4
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// A table whose file is another one now than in the snapshot: TRUNCATE, and what writes a table anew, leave nothing to
/// older snapshots (the documentation of PostgreSQL, "Concurrency Control", "Caveats").
const WRITTEN_ANEW: &str = "
SELECT c.oid::pg_catalog.regclass::pg_catalog.text FROM pg_catalog.pg_class c
WHERE c.relkind = 'r' AND c.relfilenode <> pg_catalog.pg_relation_filenode(c.oid) AND c.oid IN (
    SELECT o FROM pg_catalog.unnest($1) o
    UNION ALL SELECT p.relid FROM pg_catalog.unnest($1) o CROSS JOIN LATERAL pg_catalog.pg_partition_tree(o) p)
LIMIT 1";

/// From here on nobody empties them or writes them anew until the snapshot ends.
pub(super) async fn wanted(client: &Client, wanted: &Wanted) -> Result<Vec<Shape>> {
    let doing = "looking for the tables to save";
    let names = wanted.tables.iter().map(|(name, _)| name.to_sql()).collect::<Result<Vec<_>, _>>()?;
    let reach: Vec<i32> = wanted
        .tables
        .iter()
        .map(|(_, reach)| match reach {
            Reach::Itself => 0,
            Reach::Actions => 1,
            Reach::References => 2,
        })
        .collect();
    let given: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&names, Type::TEXT_ARRAY), (&reach, Type::INT4_ARRAY), (&wanted.schemas, Type::TEXT_ARRAY)];
    let found = client.query_typed(REACHED, &given).await.map_err(|e| errors::fault(e, doing))?;
    let (mut shapes, mut oids) = (Vec::new(), Vec::new());
    for row in found {
        let name = Name { schema: Some(row.cell(1)?), name: row.cell(2)? };
        let oid: u32 = row.cell(0)?;
        shapes.push(shape(client, oid, name).await?);
        oids.push(oid);
    }
    for shape in &shapes {
        let held = format!("SELECT FROM {} t LIMIT 0", source(client, shape).await?);
        client.batch_execute(&held).await.map_err(|e| errors::fault(e, doing))?;
    }
    let anew = client.query_typed(WRITTEN_ANEW, &[(&oids, Type::OID_ARRAY)]).await;
    if let Some(table) = anew.map_err(|e| errors::fault(e, doing))?.first_cell::<String>()? {
        let what = format!("{table} was emptied or written anew while the backup began");
        return Err(Refusal::new(Code::BackupNotTaken, what)
            .cause("what it held is in no snapshot any more")
            .help("run the same command again")
            .into());
    }
    // By bytes, whatever the database sorts by.
    shapes.sort_by(|a, b| a.table.cmp(&b.table));
    Ok(shapes)
}

async fn shape(client: &Client, oid: u32, table: Name) -> Result<Shape> {
    let doing = format!("reading the columns of {table}");
    let rows =
        client.query_typed(COLUMNS, &[(&oid, Type::OID)]).await.map_err(|e| errors::fault(e, &doing))?;
    let mut columns = Vec::new();
    let mut key: Vec<(i32, String)> = Vec::new();
    let mut binary = true;
    for row in rows {
        let name: String = row.cell(0)?;
        let place: i32 = row.cell(7)?;
        if place >= 0 {
            key.push((place, name.clone()));
        }
        binary &= row.cell::<bool>(6)?;
        columns.push(ColumnShape {
            name,
            ty: Name { schema: Some(row.cell(1)?), name: row.cell(2)? },
            modifiers: row.cell::<Option<String>>(3)?.map(|text| modifiers(&text)).unwrap_or_default(),
            not_null: row.cell(4)?,
            generated: row.cell(5)?,
            attributes: Vec::new(),
            members: Vec::new(),
            collation: None,
        });
    }
    key.sort();
    let key = key.into_iter().map(|(_, name)| name).collect();
    let encoding = if binary { Encoding::Binary } else { Encoding::Text };
    Ok(Shape { table, columns, key, encoding })
}

/// What stands in the last parentheses of a type as the server prints it. A type whose modifiers are more than words
/// and numbers is taken without them: it holds the same values.
fn modifiers(printed: &str) -> Vec<String> {
    let inside = printed.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')'));
    let words: Vec<String> = inside
        .map(|(inside, _)| inside.split(',').map(|word| word.trim().to_owned()).collect())
        .unwrap_or_default();
    if words.iter().all(|word| is_modifier(word)) { words } else { Vec::new() }
}

/// The table as a query names it: a partitioned one with its partitions, any other without its children.
pub(super) async fn source(client: &Client, shape: &Shape) -> Result<String> {
    let name = shape.table.to_sql()?;
    let sql = "SELECT relkind = 'p' FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)";
    let rows = client
        .query_typed(sql, &[(&name, Type::TEXT)])
        .await
        .map_err(|e| errors::fault(e, &format!("looking for {}", shape.table)))?;
    match rows.first_cell::<bool>()? {
        Some(true) => Ok(name),
        Some(false) => Ok(format!("ONLY {name}")),
        None => Err(Refusal::new(Code::BackupNotTaken, format!("{} is gone", shape.table))
            .cause("somebody dropped or renamed it since it was looked at")
            .help("run the same command again")
            .into()),
    }
}

/// The columns' names, joined. None of them: a table without columns has rows all the same.
pub(super) fn columns(shape: &Shape, which: impl Fn(&ColumnShape) -> bool) -> Result<String> {
    let names = shape.columns.iter().filter(|column| which(column));
    let names = names.map(|column| QuotedIdent::new(&column.name).map(|name| name.to_string()));
    Ok(names.collect::<Result<Vec<_>, _>>()?.join(", "))
}

/// One number for the row `t`: of each value the hash of what the server would send to a client, so that what is equal
/// and not identical (`1.0` and `1.00`) is told apart.
pub(super) fn hash(shape: &Shape) -> Result<String> {
    let mut parts = Vec::new();
    for (place, column) in shape.columns.iter().enumerate() {
        let name = QuotedIdent::new(&column.name)?;
        parts.push(format!(
            "pg_catalog.hashtextextended((ROW(t.{name}))::pg_catalog.text COLLATE pg_catalog.\"C\", {place})"
        ));
    }
    // 64 bits, shifted against each other by the seed; a table without columns is known by its count.
    Ok(if parts.is_empty() { "0::pg_catalog.int8".into() } else { parts.join(" # ") })
}

/// A column's type, from names and words that were checked when the manifest was read.
pub(super) fn type_of(column: &ColumnShape) -> Result<String> {
    if let Some(word) = column.modifiers.iter().find(|word| !is_modifier(word)) {
        return Err(Fault::Bug(format!("{word:?} is no modifier of a type")));
    }
    let modifiers = match column.modifiers.as_slice() {
        [] => String::new(),
        words => format!("({})", words.join(", ")),
    };
    Ok(format!("{}{modifiers}", column.ty.to_sql()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_words_or_nothing() {
        for (printed, expected) in [
            ("numeric(10,2)", "10 2"),
            ("character varying(20)[]", "20"),
            ("timestamp(3) without time zone", "3"),
            ("geometry(Point,4326)", "Point 4326"),
            ("interval day to hour", ""),
            ("x.y('a', evil())", ""),
        ] {
            assert_eq!(modifiers(printed).join(" "), expected, "{printed}");
        }
    }
}
