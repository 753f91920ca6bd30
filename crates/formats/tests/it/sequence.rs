//! How directories of other tools stand beside their histories: order by texts, sums that cover others, checkpoints.

use cofferdam_core::bundle::Version;
use cofferdam_core::history::Applied;
use cofferdam_core::{Bundle, Checksum, Code};
use cofferdam_formats::format::atlas::sum;
use cofferdam_formats::history::{Context, HistoryCodec, Write, atlas, dbmate, golang_migrate};
use cofferdam_formats::{File, Options, State, Tree, late, read, standing};

use crate::fixtures::{named, tree, with};

/// A directory of Atlas with these files and the sum that fits them.
fn summed(files: &[(&str, &str)]) -> Bundle {
    let mut tree = with(files);
    let texts: Vec<&File> = tree.files.iter().collect();
    let text = sum::text(&texts, &sum::sums(&texts));
    tree.files.push(File { path: sum::NAME.into(), bytes: text.into_bytes() });
    read(&tree, Some("atlas")).unwrap()
}

/// The history after these versions were applied, in this order, as the codec writes and reads it.
fn after(codec: &HistoryCodec, bundle: &Bundle, versions: &[&str]) -> Vec<Applied> {
    let mut rows = Vec::new();
    for (minute, version) in versions.iter().enumerate() {
        let migration = bundle.migrations.iter().find(|m| m.key() == *version).unwrap();
        let applied = Applied {
            rank: 0,
            key: migration.key(),
            version: Some((*version).into()),
            description: migration.description.clone(),
            kind: migration.kind.into(),
            checksum: Some(migration.checksum.clone()),
            at: format!("2026-01-31T12:{minute:02}:00Z"),
            by: "deploy".into(),
            ms: 1,
            run: None,
            bundle: cofferdam_core::history::RollbackBundle::default(),
            undone_at: None,
        };
        let context = Context { rows: &rows, bundle, root: "db" };
        for write in (codec.applied)(&applied, &context).unwrap() {
            let Write::Insert(cells) = write else { panic!("{write:?}") };
            rows.push(cells);
        }
    }
    (codec.read)(&rows, bundle).unwrap().applied
}

fn states(bundle: &Bundle, history: &[Applied], options: &Options) -> Vec<(String, State)> {
    standing(bundle, history, options).rows.into_iter().map(|row| (row.key, row.state)).collect()
}

fn one(key: &str, state: State) -> (String, State) {
    (key.to_owned(), state)
}

#[test]
fn a_directory_of_texts_is_ordered_as_its_tool_orders_it() {
    let bundle = summed(&[("10_a.sql", "SELECT 1;"), ("9_b.sql", "SELECT 2;"), ("V5__c.sql", "SELECT 3;")]);
    let history = after(&atlas::CODEC, &bundle, &["10"]);
    let standing_ = standing(&bundle, &history, &Options::default());
    assert!(standing_.problems.is_empty(), "9 comes after 10: {:?}", standing_.problems);
    assert_eq!(standing_.pending, [1, 2]);
    let late = after(&atlas::CODEC, &bundle, &["9"]);
    assert_eq!(standing(&bundle, &late, &Options::default()).problems[0].code, Code::OutOfOrder);
    // What a user types is read in the order of the directory.
    let target = Options { target: Version::parse("9"), ..Options::default() };
    assert_eq!(
        states(&bundle, &history, &target),
        [one("10", State::Applied), one("9", State::Pending), one("V5", State::AboveTarget)]
    );
}

#[test]
fn versions_of_mixed_widths_do_not_run_twice() {
    let bundle = read(&tree("atlas/migrations"), None).unwrap();
    let keys: Vec<_> = bundle.migrations.iter().map(|m| m.key()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let all = after(&atlas::CODEC, &bundle, &keys);
    let standing = standing(&bundle, &all, &Options::default());
    assert!(standing.pending.is_empty() && standing.problems.is_empty(), "{:?}", standing.problems);
    assert_eq!(standing.rows.len(), 14);
}

#[test]
fn numbers_and_texts_of_one_set_of_names() {
    let up = "-- migrate:up\nSELECT 1;\n-- migrate:down\n";
    let bundle = read(&with(&[("1_a.sql", up), ("10_b.sql", up), ("2_c.sql", up)]), None).unwrap();
    let history = after(&dbmate::CODEC, &bundle, &["1", "10"]);
    assert_eq!(
        states(&bundle, &history, &Options::default()),
        [one("1", State::Applied), one("10", State::Applied), one("2", State::Pending)]
    );
}

#[test]
fn a_sum_accuses_only_the_file_that_changed() {
    let files = [("1_a.sql", "SELECT 1;"), ("2_b.sql", "SELECT 2;"), ("3_c.sql", "SELECT 3;")];
    let history = after(&atlas::CODEC, &summed(&files), &["1", "2", "3"]);
    // Atlas keeps the sum alone, and so does what is read from its table.
    assert!(history.iter().all(|a| matches!(a.checksum, Some(Checksum::Atlas { sha256: None, .. }))));
    let mut edited = files;
    edited[1].1 = "SELECT 22;";
    let changed = summed(&edited);
    let found = standing(&changed, &history, &Options::default());
    let whats: Vec<_> = found.problems.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(
        whats,
        ["db/2_b.sql was changed after it was applied"],
        "and not 3_c.sql, whose sum differs too"
    );

    // A file that comes in between changes the sums of those behind it and none of their texts.
    let inserted = summed(&[files[0], ("15_x.sql", "SELECT 15;"), files[1], files[2]]);
    let codes: Vec<_> =
        standing(&inserted, &history, &Options::default()).problems.iter().map(|p| p.code).collect();
    assert_eq!(codes, [Code::OutOfOrder]);
    let allowed = Options { out_of_order: true, ..Options::default() };
    assert!(standing(&inserted, &history, &allowed).problems.is_empty());
    // So does one that goes; that it went is a problem of its own.
    let gone = summed(&files[1..]);
    let codes: Vec<_> =
        standing(&gone, &history, &Options::default()).problems.iter().map(|p| p.code).collect();
    assert_eq!(codes, [Code::FileGone]);
}

#[test]
fn cofferdams_own_history_accuses_each_file_that_changed() {
    let files = [("1_a.sql", "SELECT 1;"), ("2_b.sql", "SELECT 2;"), ("3_c.sql", "SELECT 3;")];
    let mut history = after(&atlas::CODEC, &summed(&files), &["1", "2", "3"]);
    for (applied, migration) in history.iter_mut().zip(summed(&files).migrations) {
        applied.checksum = Some(migration.checksum);
    }
    let changed = summed(&[files[0], ("2_b.sql", "x"), ("3_c.sql", "y")]);
    assert_eq!(standing(&changed, &history, &Options::default()).problems.len(), 2);
}

#[test]
fn a_checkpoint_begins_an_empty_database_and_no_other() {
    let bundle = read(&tree("atlas/scenarios/checkpoint"), None).unwrap();
    let of = |versions: &[&str], options: &Options| {
        let history = after(&atlas::CODEC, &bundle, versions);
        standing(&bundle, &history, options)
    };
    let none = Options::default();
    let pending = |versions: &[&str], options: &Options| {
        let standing = of(versions, options);
        assert!(standing.problems.is_empty(), "{versions:?} {:?}", standing.problems);
        standing.pending.iter().map(|index| bundle.migrations[*index].key()).collect::<Vec<_>>()
    };
    assert_eq!(pending(&[], &none), ["3", "4"]);
    assert_eq!(pending(&["3"], &none), ["4"], "after a crash in between");
    assert_eq!(pending(&["3", "4"], &none), [""; 0]);
    assert_eq!(pending(&["1"], &none), ["2", "4"]);
    assert_eq!(pending(&["1", "2"], &none), ["4"]);
    let to = |version| Options { target: Version::parse(version), ..Options::default() };
    assert_eq!(pending(&[], &to("2")), ["1", "2"]);
    assert_eq!(pending(&[], &to("3")), ["3"]);
}

#[test]
fn what_a_tool_would_pass_over_for_ever_is_said() {
    let bundle = read(&named(&["1_a.up.sql", "2_b.up.sql", "3_c.up.sql"]), None).unwrap();
    let own = |versions: &[&str]| {
        let with = |version: &&str| {
            let rows = [vec![Some((*version).to_owned()), Some("f".to_owned())]];
            (golang_migrate::CODEC.read)(&rows, &bundle).unwrap().applied.pop().unwrap()
        };
        versions.iter().map(with).collect::<Vec<_>>()
    };
    assert_eq!(
        late("golang-migrate", &bundle, &own(&["1", "3"])),
        [
            "db/2_b.up.sql was never applied and is older than 3, which is: golang-migrate says \"no change\" and never runs it"
        ]
    );
    for (tool, versions) in
        [("golang-migrate", &["1", "2"][..]), ("golang-migrate", &[]), ("goose", &["1", "3"])]
    {
        assert!(late(tool, &bundle, &own(versions)).is_empty(), "{tool} {versions:?}");
    }
    let mut undone = own(&["1", "3"]);
    undone[1].undone_at = Some("2026-01-31T12:00:00Z".into());
    assert!(late("drizzle", &bundle, &undone).is_empty());
    assert!(
        late(
            "drizzle",
            &read(&Tree { files: named(&["1_a.up.sql"]).files, ..Tree::default() }, None).unwrap(),
            &[]
        )
        .is_empty()
    );
}
