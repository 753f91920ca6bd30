//! Atlas' table: a row for each version. What is taken back loses its row, as `atlas migrate down` does it.

use cofferdam_core::history::{Applied, AppliedKind, How, RollbackBundle, Unfinished};
use cofferdam_core::{Bundle, Checksum, Name, Refusal};

use super::{
    Cells, Column, Context, Held, History, HistoryCodec, Lock, OnMySql, Read, Write, Writes, column,
};
use crate::cells::{self, Index, Row, not_recordable};
use crate::format::atlas::statements;

/// The codec's line in the table.
pub static CODEC: HistoryCodec = HistoryCodec {
    id: "atlas",
    formats: &["atlas"],
    // Where Atlas was bound to one schema, the table lies in that one.
    schema: Some("atlas_schema_revisions"),
    table: "atlas_schema_revisions",
    columns: COLUMNS,
    key: &["version"],
    read,
    applied,
    undone: |applied, context| {
        Ok(cells::delete(&CODEC, context, applied.version.clone().unwrap_or_default()))
    },
    amended,
    mark: None,
    create,
    // FNV-1 of its name, 32 bits.
    lock: |_| Some(Lock { keys: vec![i64::from(fnv1(LOCK))], held: Held::Session }),
    mysql: Some(&OnMySql {
        create: |table| {
            Ok(format!(
                "CREATE TABLE IF NOT EXISTS {} (version varchar(255) NOT NULL, description varchar(255) NOT NULL, \
                 type bigint unsigned NOT NULL DEFAULT 2, applied bigint NOT NULL DEFAULT 0, \
                 total bigint NOT NULL DEFAULT 0, executed_at timestamp NOT NULL, execution_time bigint NOT NULL, \
                 error longtext NULL, error_stmt longtext NULL, hash varchar(255) NOT NULL, \
                 partial_hashes json NULL, operator_version varchar(255) NOT NULL, PRIMARY KEY (version)) \
                 CHARSET utf8mb4 COLLATE utf8mb4_bin",
                table.to_mysql()?
            ))
        },
        first: None,
        mark: None,
        locks: |_| vec![LOCK.to_owned()],
    }),
};

/// The name of its lock.
const LOCK: &str = "atlas_migrate_execute";

const COLUMNS: &[Column] = &[
    column("version", "varchar"),
    column("description", "varchar"),
    column("type", "bigint"),
    column("applied", "bigint"),
    column("total", "bigint"),
    column("executed_at", "timestamptz"),
    column("execution_time", "bigint"),
    column("error", "text"),
    column("error_stmt", "text"),
    column("hash", "varchar"),
    column("partial_hashes", "jsonb"),
    column("operator_version", "varchar"),
];

/// What column `type` is made of.
const BASELINE: i64 = 1;
const EXECUTED: i64 = 2;
/// Somebody said that it is applied.
const RESOLVED: i64 = 4;

fn read(rows: &[Cells], bundle: &Bundle) -> Read {
    let index = Index::new(bundle);
    // Atlas' cloud keeps a row of its own, whose version begins with a point.
    let rows =
        rows.iter().map(|cells| Row::new(&CODEC, cells)).filter(|row| !row.word("version").starts_with('.'));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_cached_key(|row| {
        (row.time("executed_at"), index.place(&row.word("version")), row.word("version"))
    });
    let mut history = History::default();
    for row in rows {
        let version = row.read("version", |text| Some(text.to_owned()))?;
        let kind = row.read("type", |text| text.parse::<i64>().ok().filter(|kind| (1..8).contains(kind)))?;
        let count = |name| row.read(name, |text: &str| text.parse::<u64>().ok());
        let (done, total) = (count("applied")?, count("total")?);
        if kind & EXECUTED != 0 && kind & RESOLVED == 0 && done < total {
            history.unfinished.push(Unfinished {
                key: index.key(&version),
                description: row.word("description"),
                how: partial(row, done, total)?,
                at: row.time("executed_at"),
                by: String::new(),
            });
            continue;
        }
        let sum = row.text("hash").filter(|sum| !sum.is_empty()).map(str::to_owned);
        history.applied.push(Applied {
            rank: i64::try_from(history.applied.len() + 1).unwrap_or(i64::MAX),
            key: index.key(&version),
            version: Some(version),
            description: row.word("description"),
            kind: if kind & BASELINE != 0 { AppliedKind::Baseline } else { AppliedKind::Versioned },
            checksum: sum.map(|sum| Checksum::Atlas { sum, sha256: None }),
            at: row.time("executed_at"),
            by: String::new(),
            ms: count("execution_time").unwrap_or_default() / 1_000_000,
            run: None,
            bundle: RollbackBundle::default(),
            undone_at: None,
        });
    }
    Ok(history)
}

fn partial(row: Row<'_>, applied: u64, total: u64) -> Result<How, Box<Refusal>> {
    let hashes = row
        .text("partial_hashes")
        .map(|_| row.read("partial_hashes", |text| serde_json::from_str::<Option<Vec<String>>>(text).ok()));
    Ok(How::Partial {
        applied,
        total,
        error: row.word("error"),
        statement: row.word("error_stmt"),
        hashes: hashes.transpose()?.flatten().unwrap_or_default(),
    })
}

fn applied(applied: &Applied, context: &Context<'_>) -> Writes {
    let Some(version) = &applied.version else {
        let what = format!("the repeatable migration {:?}", applied.description);
        return Err(not_recordable(&CODEC, &what, "it keeps a row for each version"));
    };
    let index = Index::new(context.bundle);
    let migration = index.migration(version);
    let is_baseline = applied.kind == AppliedKind::Baseline;
    let sum = match (&applied.checksum, migration.map(|migration| &migration.checksum)) {
        _ if is_baseline => String::new(),
        (Some(Checksum::Atlas { sum, .. }), _) | (_, Some(Checksum::Atlas { sum, .. })) => sum.clone(),
        // A file that asks to be left out of the sum has none.
        (_, Some(_)) => String::new(),
        (_, None) => {
            let what = format!("version {version}");
            return Err(not_recordable(
                &CODEC,
                &what,
                "its value in atlas.sum is not known: the directory does not have it",
            ));
        }
    };
    let total =
        if is_baseline { 0 } else { migration.map_or(0, |migration| statements::count(&migration.up)) };
    let total = Some(total.to_string());
    let cells = vec![
        Some(version.clone()),
        Some(applied.description.clone()),
        Some(if is_baseline { BASELINE } else { EXECUTED }.to_string()),
        total.clone(),
        total,
        Some(applied.at.clone()),
        Some(applied.ms.saturating_mul(1_000_000).to_string()),
        Some(String::new()),
        Some(String::new()),
        Some(sum),
        Some("null".to_owned()),
        // Who carried it out; Atlas shows it and goes by nothing in it.
        Some("Cofferdam".to_owned()),
    ];
    // Atlas began it while our run was cut off, and failed at what that had done already.
    if context.rows.iter().any(|row| is_partial(Row::new(&CODEC, row), version)) {
        let names = COLUMNS.iter().map(|column| column.name);
        let set = names.zip(cells).filter(|(name, _)| *name != "version").collect();
        return Ok(vec![Write::Update { key: vec![Some(version.clone())], set }]);
    }
    Ok(vec![Write::Insert(cells)])
}

fn is_partial(row: Row<'_>, version: &str) -> bool {
    let count = |name| row.text(name).and_then(|text| text.parse::<u64>().ok());
    row.text("version") == Some(version) && count("applied") < count("total")
}

/// Atlas compares nothing with the sum; it is kept true all the same.
fn amended(applied: &Applied, context: &Context<'_>) -> Writes {
    let Some(version) = &applied.version else { return Ok(Vec::new()) };
    let mut set = vec![("description", Some(applied.description.clone()))];
    if let Some(Checksum::Atlas { sum, .. }) = &applied.checksum {
        set.push(("hash", Some(sum.clone())));
    }
    Ok(cells::update(&CODEC, context, version.clone(), set))
}

fn create(table: &Name) -> Result<Vec<String>, cofferdam_core::ident::IdentError> {
    let sql = table.to_sql()?;
    Ok(vec![format!(
        "CREATE TABLE {sql} (version character varying NOT NULL, description character varying NOT NULL, \
         type bigint NOT NULL DEFAULT 2, applied bigint NOT NULL DEFAULT 0, total bigint NOT NULL DEFAULT 0, \
         executed_at timestamp with time zone NOT NULL, execution_time bigint NOT NULL, error text, \
         error_stmt text, hash character varying NOT NULL, partial_hashes jsonb, \
         operator_version character varying NOT NULL, PRIMARY KEY (version))"
    )])
}

fn fnv1(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(byte))
}
