//! Cofferdam's own table: a row for each migration applied, kept and marked when it is taken back.

use cofferdam_core::history::{Applied, AppliedKind, RollbackBundle};
use cofferdam_core::{Bundle, Checksum, Code, Refusal};

use super::{Cells, Column, History, HistoryCodec, Read, Write, column};

/// The codec's line in the table.
pub static CODEC: HistoryCodec = HistoryCodec {
    id: "own",
    formats: &[],
    schema: Some("cofferdam"),
    table: "history",
    columns: COLUMNS,
    key: &["rank"],
    read,
    applied: |applied, _| Ok(vec![Write::Insert(encode(applied))]),
    undone: |applied, _| {
        Ok(vec![Write::Update {
            key: vec![Some(applied.rank.to_string())],
            set: vec![("undone_at", applied.undone_at.clone())],
        }])
    },
    amended: |applied, _| Ok(amended(applied)),
    mark: None,
    create: |_| Ok(Vec::new()),
    lock: |_| None,
    mysql: None,
};

/// The columns of `cofferdam.history`.
pub const COLUMNS: &[Column] = &[
    column("rank", "bigint"),
    column("key", "text"),
    column("version", "text"),
    column("description", "text"),
    column("kind", "text"),
    column("algorithm", "text"),
    column("checksum", "text"),
    column("applied_at", "timestamptz"),
    column("applied_by", "text"),
    column("ms", "bigint"),
    column("run_id", "uuid"),
    column("bundle", "jsonb"),
    column("undone_at", "timestamptz"),
];

/// The names of [`AppliedKind`] in column `kind`.
const KINDS: [(AppliedKind, &str); 3] = [
    (AppliedKind::Versioned, "versioned"),
    (AppliedKind::Repeatable, "repeatable"),
    (AppliedKind::Baseline, "baseline"),
];

/// A row, in the order of [`COLUMNS`].
pub fn encode(applied: &Applied) -> Cells {
    let (algorithm, checksum) = match &applied.checksum {
        Some(Checksum::FlywayCrc32(crc)) => (Some("flyway-crc32"), Some(crc.to_string())),
        // Of the two the one that is of the file alone: a sum changes with the files before it.
        Some(Checksum::Sha256(hex) | Checksum::Atlas { sha256: Some(hex), .. }) => {
            (Some("sha256"), Some(hex.clone()))
        }
        Some(Checksum::Sha384(hex)) => (Some("sha384"), Some(hex.clone())),
        Some(Checksum::Atlas { sum, sha256: None }) => (Some("atlas-sum"), Some(sum.clone())),
        None => (None, None),
    };
    let kind = KINDS.iter().find(|(kind, _)| *kind == applied.kind).map(|(_, name)| *name);
    vec![
        Some(applied.rank.to_string()),
        Some(applied.key.clone()),
        applied.version.clone(),
        Some(applied.description.clone()),
        kind.map(str::to_owned),
        algorithm.map(str::to_owned),
        checksum,
        Some(applied.at.clone()),
        Some(applied.by.clone()),
        Some(applied.ms.to_string()),
        applied.run.map(|run| run.to_string()),
        // Serialising plain data into memory cannot fail; an empty cell would be refused by the column's NOT
        // NULL rather than lose the way back.
        serde_json::to_string(&applied.bundle).ok(),
        applied.undone_at.clone(),
    ]
}

/// What a row says.
///
/// # Errors
/// `JournalBroken`, naming the column, for a row that this program did not write.
pub fn decode(row: &[Option<String>]) -> Result<Applied, Box<Refusal>> {
    let cells = Row(row);
    Ok(Applied {
        rank: cells.read("rank", |text| text.parse().ok())?,
        key: cells.read("key", |text| Some(text.to_owned()))?,
        version: cells.text("version").map(str::to_owned),
        description: cells.read("description", |text| Some(text.to_owned()))?,
        kind: cells
            .read("kind", |text| KINDS.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind))?,
        checksum: cells.checksum()?,
        at: cells.read("applied_at", |text| Some(text.to_owned()))?,
        by: cells.read("applied_by", |text| Some(text.to_owned()))?,
        ms: cells.read("ms", |text| text.parse().ok())?,
        run: cells.text("run_id").map(|_| cells.read("run_id", |text| text.parse().ok())).transpose()?,
        bundle: cells.read("bundle", |text| serde_json::from_str::<RollbackBundle>(text).ok())?,
        undone_at: cells.text("undone_at").map(str::to_owned),
    })
}

/// The row as it would be written anew, in place of the one of the same rank.
fn amended(applied: &Applied) -> Vec<Write> {
    let cells = COLUMNS.iter().map(|column| column.name).zip(encode(applied));
    let set = cells.filter(|(name, _)| *name != "rank").collect();
    vec![Write::Update { key: vec![Some(applied.rank.to_string())], set }]
}

fn read(rows: &[Cells], _: &Bundle) -> Read {
    let mut all = rows.iter().map(|row| decode(row)).collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|applied| applied.rank);
    Ok(History { applied: all, unfinished: Vec::new() })
}

/// A row whose cells are asked for by column.
struct Row<'a>(&'a [Option<String>]);

impl Row<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        let at = COLUMNS.iter().position(|column| column.name == name)?;
        self.0.get(at)?.as_deref()
    }

    fn read<T>(&self, name: &str, value: impl Fn(&str) -> Option<T>) -> Result<T, Box<Refusal>> {
        let text = self.text(name);
        text.and_then(value).ok_or_else(|| {
            let found = text.map_or("NULL".to_owned(), |text| format!("{text:?}"));
            let row = self.text("rank").unwrap_or("without a rank");
            Box::new(
                Refusal::new(Code::JournalBroken, format!("row {row} of cofferdam.history cannot be read"))
                    .cause(format!("column {name} is {found}"))
                    .help("put the row back as Cofferdam wrote it; a newer version may read what this one cannot"),
            )
        })
    }

    fn checksum(&self) -> Result<Option<Checksum>, Box<Refusal>> {
        if self.text("algorithm").is_none() {
            return Ok(None);
        }
        let known = ["flyway-crc32", "sha256", "sha384", "atlas-sum"];
        match self.read("algorithm", |text| known.into_iter().find(|known| *known == text))? {
            "sha256" => self.read("checksum", |text| Some(Checksum::Sha256(text.to_owned()))),
            "sha384" => self.read("checksum", |text| Some(Checksum::Sha384(text.to_owned()))),
            "atlas-sum" => {
                self.read("checksum", |text| Some(Checksum::Atlas { sum: text.to_owned(), sha256: None }))
            }
            _ => self.read("checksum", |text| text.parse().ok().map(Checksum::FlywayCrc32)),
        }
        .map(Some)
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::Script;

    use super::super::Context;
    use super::*;

    fn bundle() -> Bundle {
        Bundle { format: "flyway", migrations: vec![], skipped: vec![] }
    }

    fn applied(rank: i64, kind: AppliedKind, checksum: Option<Checksum>) -> Applied {
        let down = checksum.is_some().then(|| Script::new("U1__a.sql", "DROP TABLE \"é\";\n"));
        Applied {
            rank,
            key: "1.10".into(),
            version: checksum.is_some().then(|| "1.10".into()),
            description: "  add é".into(),
            kind,
            checksum,
            at: "2026-01-31T12:00:00.5Z".into(),
            by: "deploy".into(),
            ms: 12,
            run: (rank > 1).then(|| uuid::Uuid::from_u128(7)),
            bundle: RollbackBundle { down, ..RollbackBundle::default() },
            undone_at: (rank > 2).then(|| "2026-02-01T00:00:00Z".into()),
        }
    }

    fn samples() -> Vec<Applied> {
        vec![
            applied(1, AppliedKind::Baseline, None),
            applied(2, AppliedKind::Versioned, Some(Checksum::FlywayCrc32(-2_060_154_034))),
            applied(3, AppliedKind::Repeatable, Some(Checksum::Sha256("ab".repeat(32)))),
            applied(4, AppliedKind::Versioned, Some(Checksum::Sha384("cd".repeat(48)))),
            applied(5, AppliedKind::Versioned, Some(Checksum::Atlas { sum: "x=".into(), sha256: None })),
        ]
    }

    #[test]
    fn what_is_written_is_read_back() {
        let rows: Vec<_> = samples().iter().map(encode).rev().collect();
        assert!(rows.iter().all(|row| row.len() == COLUMNS.len()));
        assert_eq!((CODEC.read)(&rows, &bundle()).unwrap().applied, samples(), "by rank");
    }

    #[test]
    fn of_a_sum_of_atlas_the_hash_of_the_file_alone_is_kept() {
        let sum = Checksum::Atlas { sum: "x=".into(), sha256: Some("ab".into()) };
        let kept = decode(&encode(&applied(2, AppliedKind::Versioned, Some(sum)))).unwrap();
        assert_eq!(kept.checksum, Some(Checksum::Sha256("ab".into())));
    }

    #[test]
    fn taking_back_marks_the_row_and_keeps_it() {
        let sample = &samples()[2];
        let context = Context::nothing();
        assert_eq!((CODEC.applied)(sample, &context).unwrap(), [Write::Insert(encode(sample))]);
        let set = vec![("undone_at", Some("2026-02-01T00:00:00Z".into()))];
        let key = vec![Some("3".into())];
        assert_eq!((CODEC.undone)(sample, &context).unwrap(), [Write::Update { key, set }]);
    }

    #[test]
    fn a_row_that_was_tampered_with_is_refused_by_its_column() {
        for (name, value) in [
            ("rank", None),
            ("rank", Some("first")),
            ("key", None),
            ("kind", Some("SQL")),
            ("algorithm", Some("md5")),
            ("checksum", None),
            ("checksum", Some("99999999999")),
            ("ms", Some("-1")),
            ("run_id", Some("7")),
            ("bundle", Some("{")),
            ("bundle", None),
        ] {
            let mut row = encode(&samples()[1]);
            let at = COLUMNS.iter().position(|column| column.name == name).unwrap();
            row[at] = value.map(str::to_owned);
            let refusal = decode(&row).unwrap_err();
            assert_eq!(refusal.code, Code::JournalBroken);
            assert!(refusal.cause.unwrap().starts_with(&format!("column {name} is")), "{name} {value:?}");
        }
        assert!(decode(&[]).is_err());
    }
}
