//! What is written into the history of a tool is what is read of it.

use std::collections::BTreeSet;

use cofferdam_core::Bundle;
use cofferdam_core::history::{Applied, AppliedKind};
use cofferdam_formats::format::atlas::sum;
use cofferdam_formats::history::{
    Cells, Context, HistoryCodec, Write, atlas, dbmate, drizzle, flyway, golang_migrate, goose, sqlx,
};
use cofferdam_formats::{File, Options, read, standing};
use proptest::prelude::*;

use crate::histories::applied;

/// Rows after a write, as a server would have them.
fn carry_out(codec: &HistoryCodec, rows: &mut Vec<Cells>, writes: Vec<Write>, moment: usize) {
    let index = |name: &str| codec.columns.iter().position(|column| column.name == name).unwrap();
    let keyed =
        |row: &Cells, key: &Cells| codec.key.iter().zip(key).all(|(name, value)| row[index(name)] == *value);
    for write in writes {
        match write {
            Write::Insert(mut cells) => {
                for (column, cell) in
                    codec.columns.iter().zip(&mut cells).filter(|(column, _)| column.generated)
                {
                    assert!(cell.is_none());
                    *cell = Some(match column.sql_type {
                        "integer" => (moment + 1).to_string(),
                        _ => format!("2026-01-31T12:00:00.{moment:06}Z"),
                    });
                }
                assert!(
                    !rows.iter().any(|row| codec.key.iter().all(|k| row[index(k)] == cells[index(k)])),
                    "{cells:?}"
                );
                rows.push(cells);
            }
            Write::Update { key, set } => {
                let row = rows.iter_mut().find(|row| keyed(row, &key)).unwrap();
                for (column, value) in set {
                    row[index(column)] = value;
                }
            }
            Write::Delete { key } => {
                let before = rows.len();
                rows.retain(|row| !keyed(row, &key));
                assert_eq!(rows.len() + 1, before, "the row was there");
            }
        }
    }
}

/// A directory for each codec, six migrations long.
fn directories() -> Vec<(&'static HistoryCodec, Bundle)> {
    let with = |name: fn(usize) -> (String, String)| {
        let files: Vec<_> = (1..=6).map(name).collect();
        crate::fixtures::with(
            &files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>(),
        )
    };
    let mut summed = with(|i| (format!("{i}_a.sql"), format!("SELECT {i}; SELECT 0;")));
    let files: Vec<_> = summed.files.iter().collect();
    let text = sum::text(&files, &sum::sums(&files));
    summed.files.push(File { path: "atlas.sum".into(), bytes: text.into_bytes() });
    let mut journal = with(|i| (format!("{i}_a.sql"), format!("SELECT {i};")));
    let entries: Vec<_> = (1..=6).map(|i| format!(r#"{{"idx":{i},"when":{i}000,"tag":"{i}_a"}}"#)).collect();
    let text = format!(r#"{{"entries":[{}]}}"#, entries.join(","));
    journal.files.push(File { path: "meta/_journal.json".into(), bytes: text.into_bytes() });
    let read = |tree, format| read(&tree, format).unwrap();
    vec![
        (&atlas::CODEC, read(summed, None)),
        (
            &dbmate::CODEC,
            read(with(|i| (format!("{i}_a.sql"), "-- migrate:up\n-- migrate:down\n".into())), None),
        ),
        (&drizzle::CODEC, read(journal, None)),
        (&flyway::CODEC, read(with(|i| (format!("V1.{i}__a.sql"), format!("SELECT {i};"))), None)),
        (&golang_migrate::CODEC, read(with(|i| (format!("{i}_a.up.sql"), format!("SELECT {i};"))), None)),
        (&goose::CODEC, read(with(|i| (format!("{i}_a.sql"), "-- +goose Up\nSELECT 1;".into())), None)),
        (&sqlx::CODEC, read(with(|i| (format!("{i}_a.sql"), format!("SELECT {i};"))), Some("sqlx"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Applying the next and taking back the last, in any sequence: what is read is always what was done.
    #[test]
    fn what_is_written_is_read_back(steps in prop::collection::vec(any::<bool>(), 0..16)) {
        for (codec, bundle) in directories() {
            let mut rows: Vec<Cells> = Vec::new();
            let mut there = 0;
            for (moment, up) in steps.iter().enumerate() {
                let context_rows = rows.clone();
                let context = Context { rows: &context_rows, bundle: &bundle, root: "db" };
                let writes = if *up && there < 6 {
                    let migration = &bundle.migrations[there];
                    there += 1;
                    let row = Applied {
                        at: format!("2026-01-31T12:00:00.{moment:06}Z"),
                        description: migration.description.clone(),
                        ..applied(&migration.key(), AppliedKind::Versioned, Some(migration.checksum.clone()))
                    };
                    (codec.applied)(&row, &context).unwrap()
                } else if there > 0 && !*up {
                    there -= 1;
                    let key = bundle.migrations[there].key();
                    let all = (codec.read)(&rows, &bundle).unwrap().applied;
                    let last = all.into_iter().rev().find(|a| a.in_force() && a.key == key).unwrap();
                    let last = Applied { undone_at: Some("2026-02-01T00:00:00Z".into()), ..last };
                    (codec.undone)(&last, &context).unwrap()
                } else {
                    continue;
                };
                carry_out(codec, &mut rows, writes, moment);
                let read = (codec.read)(&rows, &bundle).unwrap();
                prop_assert!(read.unfinished.is_empty());
                let expected: BTreeSet<_> = bundle.migrations[..there].iter().map(|m| m.key()).collect();
                let found: BTreeSet<_> = read.applied.iter().filter(|a| a.in_force()).map(|a| a.key.clone()).collect();
                prop_assert_eq!(&found, &expected, "{}", codec.id);
                let standing = standing(&bundle, &read.applied, &Options::default());
                prop_assert!(standing.problems.is_empty(), "{} {:?}", codec.id, standing.problems);
                prop_assert_eq!(standing.pending, (there..6).collect::<Vec<_>>(), "{}", codec.id);
            }
        }
    }
}
