//! golang-migrate's table: one row, which says how far it got.

use cofferdam_core::bundle::Version;
use cofferdam_core::history::{Applied, How, Unfinished};
use cofferdam_core::{Bundle, Migration, Name};

use super::{
    Cells, Column, Context, Held, History, HistoryCodec, Lock, Mark, OnMySql, Read, Way, Write, Writes,
    column,
};
use crate::cells::{self, Index, Row};

/// The codec's line in the table.
pub static CODEC: HistoryCodec = HistoryCodec {
    id: "golang-migrate",
    formats: &["plain"],
    schema: None,
    table: "schema_migrations",
    columns: COLUMNS,
    key: &["version"],
    read,
    applied,
    undone,
    amended: super::keeps_none,
    mark: Some(Mark { began, given_up }),
    create,
    lock: |place| {
        // The command line takes the path of the URL for the database's name; an application that uses the library gives
        // it a connection, and then it is the name itself.
        let key = |slash: &str| {
            let name = format!("{}\0{}\0{slash}{}", place.schema, place.table, place.database);
            i64::from(crc32fast::hash(name.as_bytes()).wrapping_mul(SALT))
        };
        Some(Lock { keys: vec![key("/"), key("")], held: Held::Session })
    },
    mysql: Some(&OnMySql {
        create: |table| {
            Ok(format!(
                "CREATE TABLE IF NOT EXISTS {} (version bigint not null primary key, dirty boolean not null)",
                table.to_mysql()?
            ))
        },
        first: None,
        mark: Some(Mark { began, given_up }),
        locks: |place| {
            let name = format!("{}:{}", place.schema, place.table);
            vec![crc32fast::hash(name.as_bytes()).wrapping_mul(SALT).to_string()]
        },
    }),
};

/// What it multiplies its locks' hashes with.
const SALT: u32 = 1_486_364_155;

const COLUMNS: &[Column] = &[column("version", "bigint"), column("dirty", "boolean")];

/// Everything up to the row's version counts as applied: that is what golang-migrate believes. A file that came late
/// is believed, too; [`crate::late()`] finds it where another history is at hand.
fn read(rows: &[Cells], bundle: &Bundle) -> Read {
    let Some(cells) = rows.first() else { return Ok(History::default()) };
    let row = Row::new(&CODEC, cells);
    let (number, dirty) = (row.number("version")?, row.flag("dirty")?);
    let reached = Version::parse(&number.to_string());
    let mut history = History::default();
    let index = Index::new(bundle);
    let below = bundle.migrations.iter().filter_map(|m| m.version.as_ref()).filter(|version| match dirty {
        true => Some(*version) < reached.as_ref(),
        false => Some(*version) <= reached.as_ref(),
    });
    for (rank, version) in (1..).zip(below) {
        history.applied.push(index.applied(rank, &version.text));
    }
    let text = number.to_string();
    let named = index.migration(&text);
    // -1 is the place before the first one.
    if dirty {
        history.unfinished.push(Unfinished {
            key: named.map_or(text, Migration::key),
            description: named.map_or_else(String::new, |migration| migration.description.clone()),
            how: How::Dirty,
            at: String::new(),
            by: String::new(),
        });
    } else if named.is_none() && number >= 0 {
        let rank = i64::try_from(history.applied.len() + 1).unwrap_or(i64::MAX);
        history.applied.push(index.applied(rank, &text));
    }
    Ok(history)
}

/// The mark only goes up: a file that was applied late leaves it where it is, as there is nothing lower to say.
fn applied(applied: &Applied, context: &Context<'_>) -> Writes {
    let number = cells::number(&CODEC, applied)?;
    let cells = vec![Some(number.to_string()), Some("false".to_owned())];
    let Some(row) = context.rows.first() else { return Ok(vec![Write::Insert(cells)]) };
    let row = Row::new(&CODEC, row);
    match row.number("version")? {
        reached if reached == number && row.flag("dirty")? => Ok(vec![moved(reached, number)]),
        reached if reached >= number => Ok(Vec::new()),
        reached => Ok(vec![moved(reached, number)]),
    }
}

/// The mark stands at the version and is dirty while it is worked on, as golang-migrate has it.
fn began(applied: &Applied, way: Way, context: &Context<'_>) -> Writes {
    let number = cells::number(&CODEC, applied)?;
    let dirty = || vec![Some(number.to_string()), Some("true".to_owned())];
    let Some(row) = context.rows.first() else {
        return Ok(if way == Way::Up { vec![Write::Insert(dirty())] } else { Vec::new() });
    };
    let reached = Row::new(&CODEC, row).number("version")?;
    let is_next = match way {
        Way::Up => reached < number,
        Way::Down => reached == number,
    };
    let set = vec![("version", Some(number.to_string())), ("dirty", Some("true".to_owned()))];
    Ok(match is_next {
        true => vec![Write::Update { key: vec![Some(reached.to_string())], set }],
        false => Vec::new(),
    })
}

/// What is dirty at the version is so no more: upwards the mark goes back, downwards it stays.
fn given_up(applied: &Applied, way: Way, context: &Context<'_>) -> Writes {
    let number = cells::number(&CODEC, applied)?;
    let Some(row) = context.rows.first() else { return Ok(Vec::new()) };
    let row = Row::new(&CODEC, row);
    match row.number("version")? == number && row.flag("dirty")? {
        true if way == Way::Up => undone(applied, context),
        true => Ok(vec![moved(number, number)]),
        false => Ok(Vec::new()),
    }
}

/// The mark goes to the file below, as golang-migrate moves it, if it stands at this one.
fn undone(applied: &Applied, context: &Context<'_>) -> Writes {
    let number = cells::number(&CODEC, applied)?;
    let Some(row) = context.rows.first() else { return Ok(Vec::new()) };
    if Row::new(&CODEC, row).number("version")? != number {
        return Ok(Vec::new());
    }
    let versions =
        context.bundle.migrations.iter().filter_map(|m| m.version.as_ref()?.text.parse::<i64>().ok());
    Ok(vec![match versions.filter(|version| *version < number).max() {
        Some(below) => moved(number, below),
        None => Write::Delete { key: vec![Some(number.to_string())] },
    }])
}

fn moved(from: i64, to: i64) -> Write {
    Write::Update {
        key: vec![Some(from.to_string())],
        set: vec![("version", Some(to.to_string())), ("dirty", Some("false".to_owned()))],
    }
}

fn create(table: &Name) -> Result<Vec<String>, cofferdam_core::ident::IdentError> {
    let sql = table.to_sql()?;
    Ok(vec![format!("CREATE TABLE {sql} (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")])
}
