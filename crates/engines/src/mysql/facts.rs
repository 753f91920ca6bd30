//! What the live database says.

use std::collections::BTreeMap;

use mysql_async::{Row, Value};

use cofferdam_core::facts::{ColumnFacts, ConstraintFacts, IndexFacts, Server, Table};
use cofferdam_core::fault::Result;
use cofferdam_core::{Facts, Name};

use super::link::{self, Link};
use super::session::MySqlSession;
use super::{errors, names};

const DOING: &str = "looking at the database";

pub(super) async fn facts(session: &mut MySqlSession, of: &[Name]) -> Result<Facts> {
    let mut facts = Facts { server: server(session).await?, ..Facts::default() };
    for name in of {
        let found = table(&mut session.link, &session.database, name).await?;
        facts.tables.insert(name.to_string(), found);
    }
    Ok(facts)
}

async fn server(session: &mut MySqlSession) -> Result<Server> {
    let sql = "SELECT CURRENT_USER(), @@GLOBAL.read_only, @@SESSION.time_zone, @@hostname, @@port";
    let rows = ask(&mut session.link, sql, vec![]).await?;
    let row = rows.first();
    let text = |at| row.and_then(|row| link::text(row, at)).unwrap_or_default();
    Ok(Server {
        engine: session.link.flavour.id().into(),
        version: session.version,
        version_text: session.version_text.clone(),
        identity: format!("{}:{}", text(3), text(4)),
        database: session.database.clone(),
        role: text(0),
        read_only: matches!(text(1).as_str(), "1" | "ON"),
        time_zone: text(2),
        // Only a build of an index by PostgreSQL waits for everybody's transactions.
        open_for_seconds: None,
    })
}

async fn ask(link: &mut Link, sql: &str, values: Vec<Value>) -> Result<Vec<Row>> {
    link.rows(sql, values).await.map_err(|e| errors::fault(e, DOING))
}

async fn table(link: &mut Link, database: &str, name: &Name) -> Result<Table> {
    let schema = name.schema.as_deref().unwrap_or(database);
    let place = || -> Vec<Value> { vec![schema.into(), name.name.as_str().into()] };
    let sql = "SELECT TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH, INDEX_LENGTH, TABLE_NAME, CREATE_OPTIONS
               FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
    let rows = ask(link, sql, place()).await?;
    let Some(row) = rows.first() else { return Ok(Table::default()) };
    let text = |at| link::text(row, at).unwrap_or_default();
    let bytes = |at| link::number(row, at).and_then(|n| u64::try_from(n).ok());
    let kind = match (text(0).as_str(), text(1).as_str()) {
        ("VIEW" | "SYSTEM VIEW", _) => "view".to_owned(),
        (_, engine) if !engine.eq_ignore_ascii_case("InnoDB") => format!("table of {engine}"),
        _ if text(6).contains("partitioned") => "partitioned table".to_owned(),
        _ => "table".to_owned(),
    };
    let is_table = kind != "view";
    let mut found = Table {
        exists: true,
        resolved: Some(Name::qualified(schema, text(5))),
        kind,
        rows: bytes(2),
        bytes: bytes(3).unwrap_or(0),
        index_bytes: bytes(4).unwrap_or(0),
        columns: columns(link, place()).await?,
        indexes: indexes(link, place()).await?,
        constraints: constraints(link, place()).await?,
        ..Table::default()
    };
    if is_table {
        let sql = format!("SELECT 1 FROM {} LIMIT 1", names::qualified(schema, name)?);
        // Whoever may not read the rows knows nothing of them.
        found.has_rows = link.rows(&sql, vec![]).await.ok().map(|rows| !rows.is_empty());
    }
    Ok(found)
}

async fn columns(link: &mut Link, place: Vec<Value>) -> Result<Vec<ColumnFacts>> {
    let sql =
        "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE = 'NO', COLUMN_DEFAULT FROM information_schema.COLUMNS
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";
    let rows = ask(link, sql, place).await?;
    let column = |row: &Row| ColumnFacts {
        name: link::text(row, 0).unwrap_or_default(),
        ty: link::text(row, 1).unwrap_or_default(),
        not_null: link::number(row, 2) == Some(1),
        default: link::text(row, 3),
        ..ColumnFacts::default()
    };
    Ok(rows.iter().map(column).collect())
}

async fn indexes(link: &mut Link, place: Vec<Value>) -> Result<Vec<IndexFacts>> {
    let sql = "SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, INDEX_TYPE FROM information_schema.STATISTICS
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY INDEX_NAME, SEQ_IN_INDEX";
    let mut all: Vec<IndexFacts> = Vec::new();
    for row in ask(link, sql, place).await? {
        let name = link::text(&row, 0).unwrap_or_default();
        // Of an expression the server tells no column.
        let column = link::text(&row, 2).unwrap_or_default();
        match all.last_mut().filter(|index| index.name == name) {
            Some(index) => index.columns.push(column),
            None => all.push(IndexFacts {
                name,
                valid: true,
                unique: link::number(&row, 1) == Some(0),
                partial: false,
                columns: vec![column],
                definition: link::text(&row, 3).unwrap_or_default(),
            }),
        }
    }
    Ok(all)
}

/// Two statements: MariaDB opens every table of every database for a join of these two.
async fn constraints(link: &mut Link, place: Vec<Value>) -> Result<Vec<ConstraintFacts>> {
    let sql = "SELECT CONSTRAINT_NAME, CONSTRAINT_TYPE FROM information_schema.TABLE_CONSTRAINTS
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
    let mut all: BTreeMap<(String, String), ConstraintFacts> = BTreeMap::new();
    for row in ask(link, sql, place.clone()).await? {
        let name = link::text(&row, 0).unwrap_or_default();
        let kind = link::text(&row, 1).unwrap_or_default().to_ascii_lowercase();
        let facts =
            ConstraintFacts { name: name.clone(), kind: kind.clone(), validated: true, ..Default::default() };
        all.insert((name, kind), facts);
    }
    let sql = "SELECT CONSTRAINT_NAME, COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";
    for row in ask(link, sql, place).await? {
        let name = link::text(&row, 0).unwrap_or_default();
        for facts in all.values_mut().filter(|facts| facts.name == name) {
            facts.columns.extend(link::text(&row, 1));
        }
    }
    Ok(all.into_values().collect())
}
