//! sqlx' table: a row for each version that is applied, with the SHA-384 of its file.

use cofferdam_core::history::{Applied, AppliedKind, How, RollbackBundle, Unfinished};
use cofferdam_core::{Bundle, Checksum, Name, Refusal};

use super::{
    Cells, Column, Context, Held, History, HistoryCodec, Lock, Read, Write, Writes, column, generated,
};
use crate::cells::{self, Index, Row, not_recordable};

/// The codec's line in the table.
pub static CODEC: HistoryCodec = HistoryCodec {
    id: "sqlx",
    formats: &["sqlx"],
    schema: None,
    table: "_sqlx_migrations",
    columns: COLUMNS,
    key: &["version"],
    read,
    applied,
    undone: |applied, context| {
        Ok(cells::delete(&CODEC, context, cells::number(&CODEC, applied)?.to_string()))
    },
    amended,
    mark: None,
    create,
    lock: |place| {
        let key = 0x3d32_ad9e * i64::from(crc32fast::hash(place.database.as_bytes()));
        Some(Lock { keys: vec![key], held: Held::Session })
    },
    mysql: None,
};

const COLUMNS: &[Column] = &[
    column("version", "bigint"),
    column("description", "text"),
    generated("installed_on", "timestamptz"),
    column("success", "boolean"),
    column("checksum", "bytea"),
    column("execution_time", "bigint"),
];

fn read(rows: &[Cells], bundle: &Bundle) -> Read {
    let mut history = History::default();
    let index = Index::new(bundle);
    let mut all = Vec::with_capacity(rows.len());
    for cells in rows {
        let row = Row::new(&CODEC, cells);
        all.push((row.time("installed_on"), row.number("version")?, row));
    }
    all.sort_by(|(one, first, _), (other, second, _)| (one, first).cmp(&(other, second)));
    for (rank, (at, number, row)) in (1..).zip(all) {
        let version = number.to_string();
        let key = index.key(&version);
        let description = row.word("description");
        if !row.flag("success")? {
            let by = String::new();
            history.unfinished.push(Unfinished { key, description, how: How::Failed, at, by });
            continue;
        }
        let hex = row.read("checksum", |text| text.strip_prefix("\\x").map(str::to_owned))?;
        history.applied.push(Applied {
            rank,
            key,
            version: Some(version),
            description,
            kind: AppliedKind::Versioned,
            checksum: Some(Checksum::Sha384(hex)),
            at,
            by: String::new(),
            ms: row.text("execution_time").and_then(|text| text.parse::<u64>().ok()).unwrap_or_default()
                / 1_000_000,
            run: None,
            bundle: RollbackBundle::default(),
            undone_at: None,
        });
    }
    Ok(history)
}

fn applied(applied: &Applied, context: &Context<'_>) -> Writes {
    let number = cells::number(&CODEC, applied)?;
    let covered = Index::new(context.bundle).covered(applied);
    if applied.kind == AppliedKind::Baseline {
        return covered
            .into_iter()
            .map(|m| row(m.version.as_ref().map_or("", |v| &v.text), &m.description, Some(&m.checksum), 0))
            .collect();
    }
    let checksum = covered.first().map(|migration| &migration.checksum);
    let checksum =
        checksum.filter(|checksum| matches!(checksum, Checksum::Sha384(_))).or(applied.checksum.as_ref());
    Ok(vec![row(&number.to_string(), &applied.description, checksum, applied.ms)?])
}

fn row(
    version: &str,
    description: &str,
    checksum: Option<&Checksum>,
    ms: u64,
) -> Result<Write, Box<Refusal>> {
    let Some(Checksum::Sha384(hex)) = checksum else {
        return Err(not_recordable(
            &CODEC,
            &format!("version {version}"),
            "it keeps the SHA-384 of the file, which is not known",
        ));
    };
    // The number without zeros before it, as a column of numbers has it.
    let number = version.trim_start_matches('0');
    Ok(Write::Insert(vec![
        Some(if number.is_empty() { "0" } else { number }.to_owned()),
        Some(description.to_owned()),
        None,
        Some("true".to_owned()),
        Some(format!("\\x{hex}")),
        Some(ms.saturating_mul(1_000_000).to_string()),
    ]))
}

fn amended(applied: &Applied, context: &Context<'_>) -> Writes {
    let mut set = vec![("description", Some(applied.description.clone()))];
    if let Some(Checksum::Sha384(hex)) = &applied.checksum {
        set.push(("checksum", Some(format!("\\x{hex}"))));
    }
    Ok(cells::update(&CODEC, context, cells::number(&CODEC, applied)?.to_string(), set))
}

fn create(table: &Name) -> Result<Vec<String>, cofferdam_core::ident::IdentError> {
    let sql = table.to_sql()?;
    Ok(vec![format!(
        "CREATE TABLE {sql} (version bigint PRIMARY KEY, description text NOT NULL, \
         installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, \
         execution_time bigint NOT NULL)"
    )])
}
