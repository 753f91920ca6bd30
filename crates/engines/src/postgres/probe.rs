//! Asking the catalog whether something happened.

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use cofferdam_core::fault::{Question, Result};
use cofferdam_core::plan::{Probe, Seen};

use super::cells::AnswerCells;
use super::errors;
use super::perform::{IndexState, index_state};

/// So many questions are on their way at once.
const TOGETHER: usize = 200;

/// Many, sent without waiting for the answer to the one before.
pub(super) async fn probes(client: &Client, all: &[&Probe]) -> Result<Vec<Seen>> {
    let mut seen = Vec::with_capacity(all.len());
    for some in all.chunks(TOGETHER) {
        seen.extend(futures::future::try_join_all(some.iter().map(|asked| probe(client, asked))).await?);
    }
    Ok(seen)
}

pub(super) async fn probe(client: &Client, asked: &Probe) -> Result<Seen> {
    Ok(match asked {
        Probe::IndexValid { index } => match index_state(client, index).await? {
            None => Seen::NotDone,
            Some(IndexState::Valid) => Seen::Done,
            Some(IndexState::Invalid) => Seen::Partly(format!("index {index} is there but INVALID")),
            Some(IndexState::Building(pid)) => {
                Seen::Partly(format!("index {index} is being built by pid {pid}"))
            }
        },
        Probe::IndexAbsent { index } => match index_state(client, index).await? {
            None => Seen::Done,
            Some(IndexState::Valid) => Seen::NotDone,
            Some(_) => Seen::Partly(format!("index {index} is there but INVALID")),
        },
        Probe::ColumnThere { table, column, ty } => {
            let found = column_type(client, &table.to_sql()?, column).await?;
            done(found.is_some_and(|found| ty.as_ref().is_none_or(|ty| *ty == found)))
        }
        Probe::ColumnAbsent { table, column } => {
            done(column_type(client, &table.to_sql()?, column).await?.is_none())
        }
        Probe::ColumnNotNull { table, column, not_null } => {
            let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute
                       WHERE attrelid = pg_catalog.to_regclass($1) AND attname = $2 AND attnotnull = $3
                         AND NOT attisdropped)";
            let table = table.to_sql()?;
            ask(client, sql, &[(&table, Type::TEXT), (column, Type::TEXT), (not_null, Type::BOOL)]).await?
        }
        Probe::ConstraintThere { table, constraint, validated } => {
            let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint
                       WHERE conrelid = pg_catalog.to_regclass($1) AND conname = $2 AND (convalidated OR NOT $3))";
            let table = table.to_sql()?;
            ask(client, sql, &[(&table, Type::TEXT), (constraint, Type::TEXT), (validated, Type::BOOL)])
                .await?
        }
        Probe::ConstraintAbsent { table, constraint } => {
            let sql = "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_constraint
                       WHERE conrelid = pg_catalog.to_regclass($1) AND conname = $2)";
            let table = table.to_sql()?;
            ask(client, sql, &[(&table, Type::TEXT), (constraint, Type::TEXT)]).await?
        }
        Probe::RelationThere { relation } => {
            let sql = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
            ask(client, sql, &[(&relation.to_sql()?, Type::TEXT)]).await?
        }
        Probe::RelationAbsent { relation } => {
            let sql = "SELECT pg_catalog.to_regclass($1) IS NULL";
            ask(client, sql, &[(&relation.to_sql()?, Type::TEXT)]).await?
        }
        Probe::EnumValueThere { ty, value } => {
            let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_enum
                       WHERE enumtypid = pg_catalog.to_regtype($1) AND enumlabel = $2)";
            ask(client, sql, &[(&ty.to_sql()?, Type::TEXT), (value, Type::TEXT)]).await?
        }
        Probe::DatabaseThere { database, there } => {
            let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1) = $2";
            ask(client, sql, &[(database, Type::TEXT), (there, Type::BOOL)]).await?
        }
        Probe::PartitionOf { parent, partition, attached } => {
            let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits
                       WHERE inhparent = pg_catalog.to_regclass($1) AND inhrelid = pg_catalog.to_regclass($2)) = $3";
            let (parent, partition) = (parent.to_sql()?, partition.to_sql()?);
            ask(client, sql, &[(&parent, Type::TEXT), (&partition, Type::TEXT), (attached, Type::BOOL)])
                .await?
        }
        Probe::IndexOf { table, index, there } => {
            let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
                       WHERE i.indrelid = pg_catalog.to_regclass($1) AND c.relname = $2 AND i.indisvalid) = $3";
            let table = table.to_sql()?;
            ask(client, sql, &[(&table, Type::TEXT), (index, Type::TEXT), (there, Type::BOOL)]).await?
        }
        Probe::OnlineDone { change, part } => super::online::probe(client, change, *part).await?,
        Probe::Session | Probe::Repeatable => Seen::NotDone,
        Probe::Nothing => Seen::Unclear(Question {
            what: "whether the statement took effect".into(),
            look_at: "the server's log, and what the statement would have changed".into(),
        }),
    })
}

fn done(yes: bool) -> Seen {
    if yes { Seen::Done } else { Seen::NotDone }
}

async fn ask(client: &Client, sql: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Seen> {
    let rows =
        client.query_typed(sql, parameters).await.map_err(|e| errors::fault(e, "asking the catalog"))?;
    Ok(done(rows.first_cell()?.unwrap_or(false)))
}

/// The column's type as the server prints it.
async fn column_type(client: &Client, table: &str, column: &str) -> Result<Option<String>> {
    let rows = client
        .query_typed(
            "SELECT pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
             WHERE attrelid = pg_catalog.to_regclass($1) AND attname = $2 AND attnum > 0 AND NOT attisdropped",
            &[(&table, Type::TEXT), (&column, Type::TEXT)],
        )
        .await
        .map_err(|e| errors::fault(e, "asking the catalog"))?;
    rows.first_cell()
}
