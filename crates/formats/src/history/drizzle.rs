//! Drizzle's table: the hash and the moment of each journal entry that was applied. Drizzle itself looks at the latest
//! moment only.

use cofferdam_core::history::{Applied, AppliedKind};
use cofferdam_core::{Bundle, Checksum, Name, Refusal};

use super::{Cells, Column, Context, History, HistoryCodec, Read, Write, Writes, column, generated};
use crate::cells::{self, Index, Row, not_recordable};

/// The codec's line in the table.
pub static CODEC: HistoryCodec = HistoryCodec {
    id: "drizzle",
    formats: &["drizzle"],
    schema: Some("drizzle"),
    table: "__drizzle_migrations",
    columns: COLUMNS,
    key: &["created_at"],
    read,
    applied,
    // Drizzle has no way back of its own; without the row it applies the file again.
    undone: |applied, context| {
        Ok(cells::delete(&CODEC, context, cells::number(&CODEC, applied)?.to_string()))
    },
    amended,
    mark: None,
    create,
    lock: |_| None,
    mysql: None,
};

const COLUMNS: &[Column] =
    &[generated("id", "integer"), column("hash", "text"), column("created_at", "bigint")];

fn read(rows: &[Cells], bundle: &Bundle) -> Read {
    let index = Index::new(bundle);
    let mut applied = Vec::with_capacity(rows.len());
    for cells in rows {
        let row = Row::new(&CODEC, cells);
        let when = row.number("created_at")?;
        let hash = row.read("hash", |text| Some(text.to_owned()))?;
        let one = index.applied(row.number("id")?, &when.to_string());
        applied.push(Applied { checksum: Some(Checksum::Sha256(hash)), ..one });
    }
    applied.sort_by_key(|applied| applied.rank);
    Ok(History { applied, unfinished: Vec::new() })
}

fn applied(applied: &Applied, context: &Context<'_>) -> Writes {
    let number = cells::number(&CODEC, applied)?;
    let covered = Index::new(context.bundle).covered(applied);
    if applied.kind == AppliedKind::Baseline {
        return covered
            .into_iter()
            .map(|m| row(m.version.as_ref().map_or("", |v| &v.text), Some(&m.checksum)))
            .collect();
    }
    Ok(vec![row(&number.to_string(), applied.checksum.as_ref())?])
}

fn row(when: &str, checksum: Option<&Checksum>) -> Result<Write, Box<Refusal>> {
    let Some(Checksum::Sha256(hash)) = checksum else {
        return Err(not_recordable(
            &CODEC,
            &format!("version {when}"),
            "it keeps the SHA-256 of the file, which is not known",
        ));
    };
    Ok(Write::Insert(vec![None, Some(hash.clone()), Some(when.to_owned())]))
}

fn amended(applied: &Applied, context: &Context<'_>) -> Writes {
    let Some(Checksum::Sha256(hash)) = &applied.checksum else { return Ok(Vec::new()) };
    let when = cells::number(&CODEC, applied)?.to_string();
    Ok(cells::update(&CODEC, context, when, vec![("hash", Some(hash.clone()))]))
}

fn create(table: &Name) -> Result<Vec<String>, cofferdam_core::ident::IdentError> {
    let sql = table.to_sql()?;
    Ok(vec![format!("CREATE TABLE {sql} (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint)")])
}
