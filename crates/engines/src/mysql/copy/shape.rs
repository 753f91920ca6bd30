//! What tables look like, and which of them are reached.

use std::collections::BTreeMap;

use mysql_async::{Row, Value};

use cofferdam_core::backup::{Encoding, Shape};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Name, Refusal};

use super::super::link::{self, Link};
use super::super::tables::PREFIX;
use super::super::{errors, names, online};
use super::columns;
use crate::copy::{Reach, Wanted};

const DOING: &str = "looking for the tables to save";

/// What takes rows of a table along with those that it refers to.
const ACTIONS: &[&str] = &["CASCADE", "SET NULL", "SET DEFAULT"];

pub(super) async fn ask(link: &mut Link, sql: &str, values: Vec<Value>) -> Result<Vec<Row>> {
    link.rows(sql, values).await.map_err(|e| errors::fault(e, DOING))
}

pub(super) async fn wanted(link: &mut Link, database: &str, wanted: &Wanted) -> Result<Vec<Shape>> {
    let mut open: Vec<(Name, Reach)> = Vec::new();
    for (name, reach) in &wanted.tables {
        let schema = name.schema.as_deref().unwrap_or(database);
        open.extend(tables(link, schema, Some(&name.name)).await?.into_iter().map(|name| (name, *reach)));
    }
    for schema in &wanted.schemas {
        open.extend(tables(link, schema, None).await?.into_iter().map(|name| (name, Reach::Actions)));
    }
    let mut reached: BTreeMap<Name, Reach> = BTreeMap::new();
    while let Some((name, reach)) = open.pop() {
        if reached.get(&name).is_some_and(|known| *known >= reach) {
            continue;
        }
        if reach > Reach::Itself {
            for (child, takes) in children(link, &name).await? {
                if takes || reach == Reach::References {
                    open.push((child, reach));
                }
            }
        }
        reached.insert(name, reach);
    }
    let mut shapes = Vec::new();
    for name in reached.into_keys() {
        shapes.extend(shape(link, &name).await?);
    }
    Ok(shapes)
}

/// The tables of a database, or the one of this name; none of Cofferdam's own unless it is named.
async fn tables(link: &mut Link, schema: &str, name: Option<&str>) -> Result<Vec<Name>> {
    let sql = "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES
               WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')";
    let rows = match name {
        Some(name) => {
            ask(link, &format!("{sql} AND TABLE_NAME = ?"), vec![schema.into(), name.into()]).await?
        }
        None => {
            let values = vec![schema.into(), PREFIX.len().into(), PREFIX.into()];
            ask(link, &format!("{sql} AND LEFT(TABLE_NAME, ?) <> ?"), values).await?
        }
    };
    let name = |row: &Row| Some(Name::qualified(link::text(row, 0)?, link::text(row, 1)?));
    Ok(rows.iter().filter_map(name).collect())
}

/// Tables whose foreign keys lead to this one, each with whether its rows are deleted or changed along.
pub(super) async fn children(link: &mut Link, parent: &Name) -> Result<Vec<(Name, bool)>> {
    const RULES: &str = "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, DELETE_RULE, UPDATE_RULE
        FROM information_schema.REFERENTIAL_CONSTRAINTS";
    let schema = parent.schema.as_deref().unwrap_or_default();
    let rule = |row: &Row| {
        let rule = |at| link::text(row, at).unwrap_or_default();
        let takes = (2..4).any(|at| ACTIONS.contains(&rule(at).as_str()));
        Some((Name::qualified(link::text(row, 0)?, link::text(row, 1)?), takes))
    };
    // What InnoDB knows is all of them, and on MariaDB the one question that does not open every table. Not everybody
    // may ask it.
    let Ok(known) = online::referring(link, schema, &parent.name).await else {
        let sql = format!("{RULES} WHERE UNIQUE_CONSTRAINT_SCHEMA = ? AND REFERENCED_TABLE_NAME = ?");
        let rows = ask(link, &sql, vec![schema.into(), parent.name.as_str().into()]).await?;
        return Ok(rows.iter().filter_map(rule).collect());
    };
    let mut all = Vec::new();
    for row in known {
        let cell = |at| link::text(&row, at).unwrap_or_default();
        let (key, child) = (cell(0), Name::qualified(cell(1), cell(2)));
        let sql = format!("{RULES} WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ? AND CONSTRAINT_NAME = ?");
        let values = vec![cell(1).into(), cell(2).into(), key.into()];
        let found = ask(link, &sql, values).await?;
        // Of one that this user may not see it is not known: then it is to be saved, which says so.
        let takes = found.first().and_then(rule).is_none_or(|(_, takes)| takes);
        all.push((child, takes));
    }
    Ok(all)
}

/// One table; `None`: it is gone. From here on nobody changes its definition until the snapshot ends.
pub(super) async fn shape(link: &mut Link, name: &Name) -> Result<Option<Shape>> {
    let all = format!("SELECT * FROM {} LIMIT 0", name.to_mysql()?);
    match link.run(&all).await {
        Ok(_) => {}
        Err(e) if errors::code(&e).is_some_and(|code| errors::NO_TABLE.contains(&code)) => return Ok(None),
        Err(e) => return Err(errors::fault(e, &format!("reading {name}"))),
    }
    let schema = name.schema.as_deref().unwrap_or_default();
    let place = || -> Vec<Value> { vec![schema.into(), name.name.as_str().into()] };
    let sql = "SELECT TABLE_TYPE, ENGINE FROM information_schema.TABLES
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
    let rows = ask(link, sql, place()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (kind, engine) = (link::text(row, 0).unwrap_or_default(), link::text(row, 1).unwrap_or_default());
    refuse_without_snapshot(name, &kind, &engine)?;
    let sql = "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, EXTRA, ORDINAL_POSITION
               FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";
    let rows = ask(link, sql, place()).await?;
    if rows.is_empty() || !rows.iter().zip(1..).all(|(row, at)| link::number(row, 6) == Some(at)) {
        return Err(unfit(
            name,
            "it has columns that this user does not see",
            "grant SELECT on all of it; where the server makes primary keys by itself, SET GLOBAL \
             show_gipk_in_create_table_and_information_schema = ON",
        ));
    }
    let column = |row: &Row| {
        let cell = |at| link::text(row, at).unwrap_or_default();
        let mut column = columns::column(cell(0), (&cell(1), &cell(2)), link::text(row, 3));
        let extra = cell(5).to_ascii_uppercase();
        column.not_null = cell(4) == "NO";
        column.generated = ["VIRTUAL", "STORED", "PERSISTENT"].iter().any(|word| extra.contains(word));
        column
    };
    let shape = Shape {
        table: name.clone(),
        columns: rows.iter().map(column).collect(),
        key: key(link, place()).await?,
        encoding: Encoding::LoadData,
    };
    columns::refuse_unknown(&shape)?;
    Ok(Some(shape))
}

/// All tables of a database can be read in one snapshot, Cofferdam's own, too.
pub(super) async fn refuse_any_without_snapshot(link: &mut Link, database: &str) -> Result<()> {
    let sql = "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES
               WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME";
    for row in ask(link, sql, vec![database.into()]).await? {
        let cell = |at| link::text(&row, at).unwrap_or_default();
        refuse_without_snapshot(&Name::qualified(database, cell(0)), &cell(1), &cell(2))?;
    }
    Ok(())
}

/// `kind` and `engine` as information_schema.TABLES has them.
fn refuse_without_snapshot(name: &Name, kind: &str, engine: &str) -> Result<()> {
    if kind == "SYSTEM VERSIONED" {
        return Err(unfit(
            name,
            "it keeps the history of its rows (SYSTEM VERSIONING), which a copy would not have",
            "mariadb-dump --dump-history saves it",
        ));
    }
    if !engine.eq_ignore_ascii_case("InnoDB") {
        return Err(unfit(
            name,
            &format!("it is a table of {engine}, which has no snapshot that a copy could be read in"),
            &format!(
                "ALTER TABLE {} ENGINE = InnoDB, or save it while nobody writes to it",
                name.to_mysql()?
            ),
        ));
    }
    Ok(())
}

/// The columns of its primary key; none where one of them is in it with its beginning only.
async fn key(link: &mut Link, place: Vec<Value>) -> Result<Vec<String>> {
    let sql = "SELECT COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX";
    let rows = ask(link, sql, place).await?;
    let whole = |row: &Row| link::text(row, 0).filter(|_| link::text(row, 1).is_none());
    Ok(rows.iter().map(whole).collect::<Option<Vec<_>>>().unwrap_or_default())
}

/// What a new table is made of, in parentheses.
pub(super) fn definition(shape: &Shape, own_key: Option<&str>, demands: bool) -> Result<String> {
    let mut parts: Vec<String> = own_key.map(str::to_owned).into_iter().collect();
    for column in &shape.columns {
        parts.push(columns::definition(column, demands)?);
    }
    if demands && !shape.key.is_empty() {
        let key = shape.key.iter().map(|name| names::quoted(name).map(|name| name.to_string()));
        parts.push(format!("PRIMARY KEY ({})", key.collect::<std::result::Result<Vec<_>, _>>()?.join(", ")));
    }
    Ok(format!("({}) ENGINE = InnoDB", parts.join(", ")))
}

fn unfit(table: &Name, cause: &str, help: &str) -> cofferdam_core::Fault {
    Refusal::new(Code::BackupNotTaken, format!("{table} cannot be saved")).cause(cause).help(help).into()
}
