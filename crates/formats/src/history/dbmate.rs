//! dbmate's table: the set of the versions that are applied.

use cofferdam_core::history::{Applied, AppliedKind};
use cofferdam_core::{Bundle, Name};

use super::{Cells, Column, Context, History, HistoryCodec, OnMySql, Read, Write, Writes, column};
use crate::cells::{self, Index, Row, not_recordable};

/// The codec's line in the table.
pub static CODEC: HistoryCodec = HistoryCodec {
    id: "dbmate",
    formats: &["dbmate"],
    schema: None,
    table: "schema_migrations",
    columns: COLUMNS,
    key: &["version"],
    read,
    applied,
    undone: |applied, context| {
        Ok(cells::delete(&CODEC, context, applied.version.clone().unwrap_or_default()))
    },
    amended: super::keeps_none,
    mark: None,
    create,
    lock: |_| None,
    mysql: Some(&OnMySql {
        create: |table| {
            Ok(format!("CREATE TABLE IF NOT EXISTS {} (version varchar(128) primary key)", table.to_mysql()?))
        },
        first: None,
        mark: None,
        locks: |_| Vec::new(),
    }),
};

const COLUMNS: &[Column] = &[column("version", "varchar")];

fn read(rows: &[Cells], bundle: &Bundle) -> Read {
    let read = |cells| Row::new(&CODEC, cells).read("version", |text| Some(text.to_owned()));
    let mut versions = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    versions.sort_unstable();
    let index = Index::new(bundle);
    let applied = (1..).zip(&versions).map(|(rank, version)| {
        let mut applied = index.applied(rank, version);
        // As it is in the table: the row is found by it.
        applied.version = Some(version.clone());
        applied
    });
    Ok(History { applied: applied.collect(), unfinished: Vec::new() })
}

fn applied(applied: &Applied, context: &Context<'_>) -> Writes {
    let Some(version) = &applied.version else {
        let what = format!("the repeatable migration {:?}", applied.description);
        return Err(not_recordable(&CODEC, &what, "it keeps the versions that are applied"));
    };
    let versions: Vec<&str> = match applied.kind {
        AppliedKind::Baseline => {
            let covered = Index::new(context.bundle).covered(applied);
            covered
                .into_iter()
                .filter_map(|m| m.version.as_ref())
                .map(|version| version.text.as_str())
                .collect()
        }
        AppliedKind::Versioned | AppliedKind::Repeatable => vec![version],
    };
    Ok(versions.into_iter().map(|version| Write::Insert(vec![Some(version.to_owned())])).collect())
}

fn create(table: &Name) -> Result<Vec<String>, cofferdam_core::ident::IdentError> {
    let sql = table.to_sql()?;
    Ok(vec![format!("CREATE TABLE {sql} (version varchar NOT NULL PRIMARY KEY)")])
}
