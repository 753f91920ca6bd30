//! A sample of rows, the rows that it refers to, and where sequences stand.

use bytes::Bytes;
use futures::{SinkExt, TryStreamExt, pin_mut};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use cofferdam_core::fault::Result;
use cofferdam_core::{Fault, Name, QuotedLiteral};

use super::super::cells::RowCells;
use super::super::errors;

const DOING: &str = "taking a sample of rows";

/// One snapshot; a text means the same on both sides; a look that takes long is given up.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '30s';
    SET LOCAL lock_timeout = '2s'; SET LOCAL row_security = off; SET LOCAL synchronize_seqscans = off;
    SET LOCAL datestyle = 'ISO, MDY'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 3;
    SET LOCAL bytea_output = 'hex'; SET LOCAL search_path = pg_catalog, pg_temp";

/// A row may refer to one that comes only with another: rows are looked for in so many ways through.
const WAYS: usize = 10;

/// Tables whose rows can be copied, as a query names them, with the columns that can be written.
const TABLES: &str = "SELECT c.oid::regclass::text, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    WHERE c.oid = ANY (SELECT to_regclass(n) FROM unnest($1) n) AND c.relkind IN ('r', 'p') GROUP BY c.oid";

/// Foreign keys: the table that refers, the one that is referred to, and their columns in order.
const KEYS: &str = "SELECT k.conrelid::regclass::text, k.confrelid::regclass::text,
        ARRAY(SELECT quote_ident(a.attname) FROM unnest(k.conkey) WITH ORDINALITY u (n, place)
              JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.place),
        ARRAY(SELECT quote_ident(a.attname) FROM unnest(k.confkey) WITH ORDINALITY u (n, place)
              JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.place)
    FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0";

/// Where sequences stand that were used, as far as the role may know it.
const STANDS: &str = "SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences
    WHERE last_value IS NOT NULL AND schemaname !~ '^cofferdam(_|$)'";

/// Without it the next number would be one that a row of the sample has.
const SET: &str = "SELECT setval(q.seqrelid::regclass, greatest(least(u.stands, q.seqmax), q.seqmin))
    FROM unnest($1, $2) u (name, stands) JOIN pg_sequence q ON q.seqrelid = to_regclass(u.name)";

/// Copies rows into tables that are empty. Foreign keys are not looked at while rows come, and hold afterwards where they
/// held in the snapshot.
pub(super) async fn sample(live: &Client, copy: &Client, tables: &[Name], most: u32) -> Result<u64> {
    let fault = |e| errors::fault(e, DOING);
    let set = "SET session_replication_role = replica; SET search_path = pg_catalog, pg_temp;
               SET datestyle = 'ISO, MDY'; SET intervalstyle = 'postgres'";
    copy.batch_execute(set).await.map_err(fault)?;
    live.batch_execute(BEGIN).await.map_err(fault)?;
    let came = all(live, copy, tables, most).await;
    let ended = live.batch_execute("ROLLBACK").await.map_err(fault);
    let came = came?;
    copy.batch_execute("RESET session_replication_role; RESET search_path; ANALYZE").await.map_err(fault)?;
    ended.map(|()| came)
}

async fn all(live: &Client, copy: &Client, tables: &[Name], most: u32) -> Result<u64> {
    let names = tables.iter().map(Name::to_sql).collect::<Result<Vec<_>, _>>()?;
    let mut came = 0;
    for (table, columns) in known(copy, &names).await? {
        came += bring(live, copy, &table, &columns, &format!("LIMIT {most}")).await?;
    }
    let keys = copy.query_typed(KEYS, &[]).await.map_err(|e| errors::fault(e, DOING))?;
    for _ in 0..WAYS {
        let mut more = 0;
        for key in &keys {
            let (child, parent): (String, String) = (key.cell(0)?, key.cell(1)?);
            let (from, to): (Vec<String>, Vec<String>) = (key.cell(2)?, key.cell(3)?);
            let wanted = missing(copy, (&child, &from), (&parent, &to), most).await?;
            if wanted.is_empty() {
                continue;
            }
            for (table, columns) in known(copy, std::slice::from_ref(&parent)).await? {
                // The values are texts without a type, which they get from the columns: an index serves.
                let which = format!("WHERE ({}) IN ({})", to.join(", "), wanted.join(", "));
                more += bring(live, copy, &table, &columns, &which).await?;
            }
        }
        came += more;
        if more == 0 {
            break;
        }
    }
    let stand = live.query_typed(STANDS, &[]).await.map_err(|e| errors::fault(e, DOING))?;
    let (mut names, mut values): (Vec<String>, Vec<i64>) = (Vec::new(), Vec::new());
    for row in stand {
        names.push(row.cell(0)?);
        values.push(row.cell(1)?);
    }
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&names, Type::TEXT_ARRAY), (&values, Type::INT8_ARRAY)];
    copy.query_typed(SET, &parameters).await.map_err(|e| errors::fault(e, DOING))?;
    Ok(came)
}

async fn known(copy: &Client, names: &[String]) -> Result<Vec<(String, String)>> {
    // A name without a schema is looked for where people's tables usually are.
    let names: Vec<String> = names
        .iter()
        .flat_map(|n| if n.contains('.') { vec![n.clone()] } else { vec![format!("public.{n}")] })
        .collect();
    let rows =
        copy.query_typed(TABLES, &[(&names, Type::TEXT_ARRAY)]).await.map_err(|e| errors::fault(e, DOING))?;
    rows.iter().map(|row| Ok((row.cell(0)?, row.cell(1)?))).collect()
}

/// Keys that rows of the copy refer to and that are not there, as texts for a query.
async fn missing(
    copy: &Client,
    (child, from): (&str, &[String]),
    (parent, to): (&str, &[String]),
    most: u32,
) -> Result<Vec<String>> {
    let whole = from.iter().map(|c| format!("c.{c} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
    let same = from.iter().zip(to).map(|(c, p)| format!("c.{c} = p.{p}")).collect::<Vec<_>>().join(" AND ");
    let texts = from.iter().map(|c| format!("c.{c}::text")).collect::<Vec<_>>().join(", ");
    let query = format!(
        "SELECT DISTINCT ARRAY[{texts}] FROM {child} c WHERE {whole} AND NOT EXISTS (SELECT FROM {parent} p WHERE {same})
         LIMIT {most}"
    );
    let rows = copy.query_typed(&query, &[]).await.map_err(|e| errors::fault(e, DOING))?;
    rows.iter()
        .map(|row| {
            let values: Vec<String> = row.cell(0)?;
            let quoted = values.iter().map(|value| QuotedLiteral::new(value).map(|value| value.to_string()));
            Ok(format!("({})", quoted.collect::<Result<Vec<_>, _>>()?.join(", ")))
        })
        .collect()
}

async fn bring(live: &Client, copy: &Client, table: &str, columns: &str, which: &str) -> Result<u64> {
    let fault = |e| errors::fault(e, DOING);
    let out = format!("COPY (SELECT {columns} FROM {table} {which}) TO STDOUT");
    let rows = live.copy_out(&out).await.map_err(fault)?;
    let sink =
        copy.copy_in::<_, Bytes>(&format!("COPY {table} ({columns}) FROM STDIN")).await.map_err(fault)?;
    pin_mut!(rows);
    pin_mut!(sink);
    while let Some(piece) = rows.try_next().await.map_err(fault)? {
        sink.send(piece).await.map_err(fault)?;
    }
    sink.finish().await.map_err(|e| match e.as_db_error() {
        Some(_) => fault(e),
        None => Fault::Bug(format!("{DOING}: {e}")),
    })
}
