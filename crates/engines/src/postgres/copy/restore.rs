//! Rows into a table: one that nobody else sees, a new one, or one that is there.
//!
//! Whatever is executed here is put together from names and words of the manifest, never from a text of it: a backup
//! from a database that somebody else owns must not be able to run anything in this one.

use bytes::Bytes;
use futures::{SinkExt, StreamExt, pin_mut};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use cofferdam_core::backup::{ColumnShape, Shape, Sum};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Name, QuotedIdent, Refusal};

use super::{PostgresCopier, errors, format, shape};
use crate::copy::{Existing, Rows, in_the_way, not_as_saved, other_columns};
use crate::postgres::cells::{AnswerCells, RowCells};

/// A table of the session's own: no right but TEMPORARY is needed, it writes no log, no standby gets it, and the server
/// removes it with the session or, after a crash of its own, when it starts.
pub(super) const BESIDE: &str = "pg_temp.\"cofferdam rehearsal\"";

/// See [`crate::copy::Copier::restore`].
pub(super) async fn restore(
    copier: &PostgresCopier,
    shape: &Shape,
    rows: Rows,
    (into, existing): (&Name, Existing),
    expected: &Sum,
) -> Result<()> {
    let doing = format!("restoring {into}");
    copier.run("BEGIN", &doing).await?;
    let restored = async {
        let there = exists(copier, into).await?;
        match (there, existing) {
            (true, Existing::Refuse) => return Err(in_the_way(into, "SCHEMA").into()),
            (true, Existing::Replace) => replace(copier, shape, rows, into, &doing).await?,
            (false, _) => {
                let name = into.to_sql()?;
                types_are_there(copier, shape).await?;
                copier.run(&format!("CREATE TABLE {name} ({})", definition(shape, true)?), &doing).await?;
                fill(copier, &name, shape, rows, &doing).await?;
                if !shape.key.is_empty() {
                    let key = shape.key.iter().map(|name| QuotedIdent::new(name).map(|n| n.to_string()));
                    let key = key.collect::<Result<Vec<_>, _>>()?.join(", ");
                    copier.run(&format!("ALTER TABLE {name} ADD PRIMARY KEY ({key})"), &doing).await?;
                }
            }
        }
        let sum = copier.sum_of(&into.to_sql()?, shape).await?;
        if sum != *expected {
            return Err(not_as_saved(into, &sum, expected)
                .help("nothing was changed; a trigger of the table may change what is inserted: restore into a new table")
                .into());
        }
        copier.run("COMMIT", &doing).await
    }
    .await;
    if restored.is_err() {
        let _ = copier.run("ROLLBACK", &doing).await;
    }
    restored
}

/// The rows come into a table beside first, so that those that are there stay until all have come.
async fn replace(copier: &PostgresCopier, shape: &Shape, rows: Rows, into: &Name, doing: &str) -> Result<()> {
    let name = into.to_sql()?;
    copier.run(&format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE"), doing).await?;
    let columns = stored_columns(copier, into).await?;
    for (column, _) in columns.iter().filter(|(_, generated)| !generated) {
        if !shape.columns.iter().any(|saved| saved.name == *column) {
            return Err(other_columns(into, "SCHEMA", &format!("{column} is not in the backup")).into());
        }
    }
    let wanted =
        |column: &ColumnShape| columns.iter().any(|(name, generated)| *name == column.name && !generated);
    let missing = |column: &&ColumnShape| !columns.iter().any(|(name, _)| *name == column.name);
    if let Some(gone) = shape.columns.iter().find(missing) {
        return Err(other_columns(into, "SCHEMA", &format!("{into} has no column {}", gone.name)).into());
    }
    beside(copier, shape, "DROP", doing).await?;
    fill(copier, BESIDE, shape, rows, doing).await?;
    let names = shape::columns(shape, wanted)?;
    // TRUNCATE refuses a table that foreign keys lead to. DELETE would take rows of other tables along.
    copier.run(&format!("TRUNCATE {name}"), doing).await?;
    let insert = format!("INSERT INTO {name} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {BESIDE}");
    copier.run(&insert, doing).await
}

/// Its columns, and whether the server computes them.
async fn stored_columns(copier: &PostgresCopier, table: &Name) -> Result<Vec<(String, bool)>> {
    let sql = "SELECT attname::pg_catalog.text, attgenerated <> '' FROM pg_catalog.pg_attribute
        WHERE attrelid = pg_catalog.to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let name = table.to_sql()?;
    let rows = copier
        .client
        .query_typed(sql, &[(&name, Type::TEXT)])
        .await
        .map_err(|e| errors::fault(e, &format!("reading the columns of {table}")))?;
    rows.iter().map(|row| Ok((row.cell(0)?, row.cell(1)?))).collect()
}

async fn exists(copier: &PostgresCopier, name: &Name) -> Result<bool> {
    let text = name.to_sql()?;
    let rows = copier
        .client
        .query_typed("SELECT pg_catalog.to_regclass($1) IS NOT NULL", &[(&text, Type::TEXT)])
        .await
        .map_err(|e| errors::fault(e, &format!("looking for {name}")))?;
    Ok(rows.first_cell()?.unwrap_or(false))
}

/// A type that the database does not have cannot be made up.
async fn types_are_there(copier: &PostgresCopier, shape: &Shape) -> Result<()> {
    for column in &shape.columns {
        let text = column.ty.to_sql()?;
        let rows = copier
            .client
            .query_typed("SELECT pg_catalog.to_regtype($1) IS NOT NULL", &[(&text, Type::TEXT)])
            .await
            .map_err(|e| errors::fault(e, &format!("looking for the type {}", column.ty)))?;
        if !rows.first_cell()?.unwrap_or(false) {
            return Err(Refusal::new(
                Code::RestoreRefused,
                format!("{} cannot be restored here", shape.table),
            )
            .cause(format!("its column {} is of the type {}, which is not there", column.name, column.ty))
            .help(format!("make the type {} first, or its extension, then run the same command", column.ty))
            .into());
        }
    }
    Ok(())
}

/// Makes [`BESIDE`], of which this becomes at the end of a transaction.
pub(super) async fn beside(copier: &PostgresCopier, shape: &Shape, then: &str, doing: &str) -> Result<()> {
    types_are_there(copier, shape).await?;
    let definition = definition(shape, false)?;
    copier
        .run(
            &format!("CREATE TEMPORARY TABLE \"cofferdam rehearsal\" ({definition}) ON COMMIT {then}"),
            doing,
        )
        .await
}

fn definition(shape: &Shape, demands: bool) -> Result<String> {
    let mut parts = Vec::new();
    for column in &shape.columns {
        let name = QuotedIdent::new(&column.name)?;
        let not_null = if demands && column.not_null { " NOT NULL" } else { "" };
        parts.push(format!("{name} {}{not_null}", shape::type_of(column)?));
    }
    Ok(parts.join(", "))
}

pub(super) async fn fill(
    copier: &PostgresCopier,
    table: &str,
    shape: &Shape,
    mut rows: Rows,
    doing: &str,
) -> Result<()> {
    let columns = shape::columns(shape, |_| true)?;
    let columns = if columns.is_empty() { String::new() } else { format!("({columns})") };
    let sql = format!("COPY {table} {columns} FROM STDIN (FORMAT {})", format(shape));
    let wrong = |e| errors::fault(e, doing);
    let sink = copier.client.copy_in::<_, Bytes>(&sql).await.map_err(wrong)?;
    pin_mut!(sink);
    let mut some = false;
    while let Some(piece) = rows.next().await {
        // Dropped with an error, the sink tells the server that the rest will not come.
        let mut piece = piece?;
        some |= !piece.is_empty();
        // A message of the protocol has a length of its own; a part may be a few MiB.
        while !piece.is_empty() {
            let some = piece.split_to(piece.len().min(256 * 1024));
            sink.send(some).await.map_err(wrong)?;
        }
    }
    if !some && shape.encoding == cofferdam_core::backup::Encoding::Binary {
        return Err(Fault::from(
            Refusal::new(Code::BackupDamaged, format!("{} has no rows and no end of rows", shape.table))
                .cause("the parts of the table are empty")
                .help("nothing was restored"),
        ));
    }
    sink.finish().await.map(|_| ()).map_err(|e| match e.code() {
        Some(code) if *code == SqlState::BAD_COPY_FILE_FORMAT => not_in_format(doing)
            .cause(e.as_db_error().map(|e| e.message().to_owned()).unwrap_or_default())
            .help("nothing was restored")
            .into(),
        _ => wrong(e),
    })
}

pub(super) fn not_in_format(doing: &str) -> Refusal {
    Refusal::new(Code::BackupDamaged, format!("{doing}: the rows are not in the format that they should be"))
}
