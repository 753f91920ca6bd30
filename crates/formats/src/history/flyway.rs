//! Flyway's table: a log. What is taken back gets a row of type DELETE, which Flyway shows as deleted and applies
//! again.

use std::collections::BTreeMap;

use cofferdam_core::history::{Applied, AppliedKind, How, RollbackBundle, Unfinished};
use cofferdam_core::{Bundle, Checksum, Migration, MigrationKind, Name, QuotedIdent, Refusal};

use super::{
    Cells, Column, Context, Held, History, HistoryCodec, Lock, Mark, OnMySql, Read, Way, Write, Writes,
    column, generated,
};
use crate::cells::{Row, not_recordable};

/// The codec's line in the table.
pub static CODEC: HistoryCodec = HistoryCodec {
    id: "flyway",
    formats: &["flyway"],
    schema: None,
    table: "flyway_schema_history",
    columns: COLUMNS,
    key: &["installed_rank"],
    read,
    applied,
    undone,
    amended,
    mark: None,
    create,
    lock: |place| {
        let hash = java_hash(&format!("\"{}\".\"{}\"", place.schema, place.table));
        Some(Lock { keys: vec![LOCK + i64::from(hash)], held: Held::Transaction })
    },
    mysql: Some(&OnMySql {
        create: |table| {
            let index = QuotedIdent::backticked(&format!("{}_s_idx", table.name))?;
            Ok(format!(
                "CREATE TABLE IF NOT EXISTS {} (installed_rank INT NOT NULL, version VARCHAR(50), \
                 description VARCHAR(200) NOT NULL, type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, \
                 checksum INT, installed_by VARCHAR(100) NOT NULL, \
                 installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, execution_time INT NOT NULL, \
                 success BOOL NOT NULL, PRIMARY KEY (installed_rank), KEY {index} (success)) ENGINE = InnoDB",
                table.to_mysql()?
            ))
        },
        first: None,
        mark: Some(Mark { began, given_up }),
        locks: |place| {
            vec![format!("Flyway-{}", java_hash(&format!("`{}`.`{}`", place.schema, place.table)))]
        },
    }),
};

/// As Java hashes a string.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// Added to the hash of the table's name.
const LOCK: i64 = 77_431_708_279_161;

const COLUMNS: &[Column] = &[
    column("installed_rank", "integer"),
    column("version", "varchar"),
    column("description", "varchar"),
    column("type", "varchar"),
    column("script", "varchar"),
    column("checksum", "integer"),
    column("installed_by", "varchar"),
    // In the time zone of the session that writes, as Flyway leaves it to the server.
    generated("installed_on", "timestamp"),
    column("execution_time", "integer"),
    column("success", "boolean"),
];

/// The types of rows that say that something was applied.
const APPLIED: [&str; 8] =
    ["SQL", "JDBC", "SPRING_JDBC", "SCRIPT", "CUSTOM", "PYTHON", "BASELINE", "SQL_BASELINE"];

fn read(rows: &[Cells], _: &Bundle) -> Read {
    let mut rows: Vec<_> = rows.iter().map(|cells| Row::new(&CODEC, cells)).collect();
    let ranks = rows.iter().map(|row| row.number("installed_rank")).collect::<Result<Vec<_>, _>>()?;
    let mut ranks: Vec<_> = ranks.into_iter().zip(rows.drain(..)).collect();
    ranks.sort_by_key(|(rank, _)| *rank);
    let mut history = History::default();
    // The row in force for each version, and for each repeatable migration.
    let mut latest: BTreeMap<String, usize> = BTreeMap::new();
    for (rank, row) in ranks {
        let applied = one(rank, row)?;
        let known = |text: &str| {
            APPLIED
                .iter()
                .chain(&["SCHEMA", "DELETE", "UNDO_SQL", "UNDO_SCRIPT", "UNDO_JDBC"])
                .any(|known| *known == text)
                .then(|| text.to_owned())
        };
        match row.read("type", known)?.as_str() {
            "SCHEMA" => {}
            kind if !row.flag("success")? => {
                let description = match kind.starts_with("UNDO") {
                    true => format!("{} (taking it back)", applied.description),
                    false => applied.description,
                };
                history.unfinished.push(Unfinished {
                    key: applied.key,
                    description,
                    how: How::Failed,
                    at: applied.at,
                    by: applied.by,
                });
            }
            "DELETE" | "UNDO_SQL" | "UNDO_SCRIPT" | "UNDO_JDBC" => {
                if let Some(at) = latest.remove(&applied.key) {
                    history.applied[at].undone_at = Some(applied.at);
                }
            }
            _ => {
                latest.insert(applied.key.clone(), history.applied.len());
                history.applied.push(applied);
            }
        }
    }
    Ok(history)
}

fn one(rank: i64, row: Row<'_>) -> Result<Applied, Box<Refusal>> {
    let version = row.text("version").map(str::to_owned);
    let description = row.word("description");
    let crc = row.text("checksum").map(|_| row.read("checksum", |text| text.parse().ok())).transpose()?;
    Ok(Applied {
        rank,
        key: version.clone().unwrap_or_else(|| format!("R:{description}")),
        kind: match (row.text("type"), &version) {
            (Some("BASELINE" | "SQL_BASELINE"), _) => AppliedKind::Baseline,
            (_, None) => AppliedKind::Repeatable,
            (_, Some(_)) => AppliedKind::Versioned,
        },
        version,
        description,
        checksum: crc.map(Checksum::FlywayCrc32),
        at: row.time("installed_on"),
        by: row.word("installed_by"),
        ms: row.text("execution_time").and_then(|text| text.parse().ok()).unwrap_or_default(),
        run: None,
        bundle: RollbackBundle::default(),
        undone_at: None,
    })
}

fn applied(applied: &Applied, context: &Context<'_>) -> Writes {
    let checksum = match &applied.checksum {
        Some(Checksum::FlywayCrc32(crc)) => Some(crc.to_string()),
        Some(_) => {
            let what = format!("the checksum of {}", applied.key);
            return Err(not_recordable(
                &CODEC,
                &what,
                "it keeps Flyway's own, which the directory's format has not",
            ));
        }
        None => None,
    };
    let (kind, script) = match applied.kind {
        AppliedKind::Baseline if applied.is_scripted_baseline() => ("SQL_BASELINE", script(applied, context)),
        AppliedKind::Baseline => ("BASELINE", applied.description.clone()),
        AppliedKind::Versioned | AppliedKind::Repeatable => ("SQL", script(applied, context)),
    };
    // What was begun has a row already.
    if let Some(row) = begun(applied, context) {
        let set = vec![
            ("checksum", checksum),
            ("execution_time", Some(applied.ms.to_string())),
            ("success", Some("true".to_owned())),
        ];
        return Ok(vec![Write::Update { key: vec![row.text("installed_rank").map(str::to_owned)], set }]);
    }
    Ok(vec![insert(applied, kind, &script, checksum, context)?])
}

/// As Flyway leaves what failed where a server's DDL commits by itself: it refuses to go on while such a row is there.
/// Its own undo keeps no row in the free edition.
fn began(applied: &Applied, way: Way, context: &Context<'_>) -> Writes {
    if way == Way::Down || begun(applied, context).is_some() {
        return Ok(Vec::new());
    }
    let mut writes = self::applied(&Applied { ms: 0, ..applied.clone() }, context)?;
    for write in &mut writes {
        if let (Write::Insert(cells), Some(success)) =
            (write, COLUMNS.iter().position(|column| column.name == "success"))
        {
            cells[success] = Some("false".to_owned());
        }
    }
    Ok(writes)
}

/// As `flyway repair` removes what failed.
fn given_up(applied: &Applied, way: Way, context: &Context<'_>) -> Writes {
    let row = begun(applied, context).filter(|_| way == Way::Up);
    Ok(row
        .map(|row| Write::Delete { key: vec![row.text("installed_rank").map(str::to_owned)] })
        .into_iter()
        .collect())
}

/// The last row about it, where that says that it did not end well.
fn begun<'a>(applied: &Applied, context: &Context<'a>) -> Option<Row<'a>> {
    last_about(applied, context).filter(|row| is_applied(row) && matches!(row.flag("success"), Ok(false)))
}

/// A row that takes back the last one about the migration. What Flyway never heard of needs none. Ranks are each
/// history's own, so that the row is found by what it is about.
fn undone(applied: &Applied, context: &Context<'_>) -> Writes {
    match last_about(applied, context).filter(is_applied) {
        Some(row) => Ok(vec![insert(applied, "DELETE", &row.word("script"), None, context)?]),
        None => Ok(Vec::new()),
    }
}

/// As `flyway repair` aligns a row: in place, the script's name left as it is.
fn amended(applied: &Applied, context: &Context<'_>) -> Writes {
    let Some(row) = last_about(applied, context).filter(is_applied) else { return Ok(Vec::new()) };
    let mut set = vec![("description", Some(cut(&applied.description, 200)))];
    if let Some(Checksum::FlywayCrc32(crc)) = &applied.checksum {
        set.push(("checksum", Some(crc.to_string())));
    }
    Ok(vec![Write::Update { key: vec![row.text("installed_rank").map(str::to_owned)], set }])
}

fn is_applied(row: &Row<'_>) -> bool {
    row.text("type").is_some_and(|kind| APPLIED.contains(&kind))
}

fn last_about<'a>(applied: &Applied, context: &Context<'a>) -> Option<Row<'a>> {
    let about = |row: &Row<'_>| match &applied.version {
        Some(version) => row.text("version") == Some(version),
        None => row.text("version").is_none() && row.text("description") == Some(&applied.description),
    };
    let rows = context.rows.iter().map(|cells| Row::new(&CODEC, cells)).filter(about);
    rows.max_by_key(|row| row.text("installed_rank").and_then(|rank| rank.parse::<i64>().ok()))
}

fn insert(
    applied: &Applied,
    kind: &str,
    script: &str,
    checksum: Option<String>,
    context: &Context<'_>,
) -> Result<Write, Box<Refusal>> {
    let mut next = 1;
    for cells in context.rows {
        next = next.max(Row::new(&CODEC, cells).number("installed_rank")? + 1);
    }
    let ms = if kind == "DELETE" || kind == "BASELINE" { 0 } else { applied.ms };
    Ok(Write::Insert(vec![
        Some(next.to_string()),
        applied.version.clone(),
        Some(cut(&applied.description, 200)),
        Some(kind.to_owned()),
        Some(cut_before(script, 1000)),
        checksum,
        Some(cut(&applied.by, 100)),
        None,
        Some(i32::try_from(ms).unwrap_or(i32::MAX).to_string()),
        Some("true".to_owned()),
    ]))
}

/// The script's path as Flyway has it: relative to its location.
fn script(applied: &Applied, context: &Context<'_>) -> String {
    let migration = context.bundle.migrations.iter().find(|migration| is_of(migration, applied));
    let Some(migration) = migration else { return applied.description.clone() };
    let path = &migration.up.path;
    let inner =
        path.strip_prefix(context.root.trim_end_matches('/')).map(|path| path.trim_start_matches('/'));
    match inner.filter(|inner| !inner.is_empty() && !context.root.is_empty()) {
        Some(inner) => inner.to_owned(),
        None => path.trim_start_matches("./").to_owned(),
    }
}

fn is_of(migration: &Migration, applied: &Applied) -> bool {
    if (migration.kind == MigrationKind::Baseline) != (applied.kind == AppliedKind::Baseline) {
        return false;
    }
    match (&migration.version, applied.version.as_deref()) {
        (Some(one), Some(text)) => one.like(text).as_ref() == Some(one),
        (None, None) => migration.key() == applied.key,
        _ => false,
    }
}

/// As Flyway shortens what is too long for its column: the end becomes three points.
fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 3).chain("...".chars()).collect(),
        false => text.to_owned(),
    }
}

/// Of a path the beginning.
fn cut_before(text: &str, most: usize) -> String {
    match text.chars().count().checked_sub(most) {
        Some(more @ 1..) => "...".chars().chain(text.chars().skip(more + 3)).collect(),
        _ => text.to_owned(),
    }
}

fn create(table: &Name) -> Result<Vec<String>, cofferdam_core::ident::IdentError> {
    let sql = table.to_sql()?;
    let key = QuotedIdent::new(&format!("{}_pk", table.name))?;
    let index = QuotedIdent::new(&format!("{}_s_idx", table.name))?;
    Ok(vec![
        format!(
            "CREATE TABLE {sql} (installed_rank integer NOT NULL, version varchar(50), \
             description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, \
             checksum integer, installed_by varchar(100) NOT NULL, \
             installed_on timestamp NOT NULL DEFAULT now(), execution_time integer NOT NULL, \
             success boolean NOT NULL, CONSTRAINT {key} PRIMARY KEY (installed_rank))"
        ),
        format!("CREATE INDEX {index} ON {sql} (success)"),
    ])
}
