//! Plain pairs.

use cofferdam_core::plan::sha256_hex;
use cofferdam_core::{Checksum, Code};
use cofferdam_formats::read;

use crate::fixtures::{named, with};

#[test]
fn pairs_are_put_together_by_number() {
    let tree = named(&[
        "010_last.up.sql",
        "2_second.up.sql",
        "02_other_words.down.sql",
        "001_add_users.up.sql",
        "001_add_users.down.sql",
        "001_add_users.check.sql",
        "9_a.b.up.sql",
        "20260131120000_stamp.up.sql",
        "sub/3_deep.up.sql",
        "4_single.sql",
        "5_loud.UP.SQL",
        "6.up.sql",
        "notes.sql",
        "name.up.sql",
        "README.md",
    ]);
    let bundle = read(&tree, None).unwrap();
    let shown: Vec<_> = bundle
        .migrations
        .iter()
        .map(|m| (m.key(), m.description.as_str(), m.down.is_some(), m.check.is_some()))
        .collect();
    assert_eq!(
        shown,
        [
            ("001".into(), "add users", true, true),
            ("2".into(), "second", true, false),
            ("9".into(), "a.b", false, false),
            ("010".into(), "last", false, false),
            ("20260131120000".into(), "stamp", false, false),
        ]
    );
    let first = &bundle.migrations[0];
    assert_eq!(first.up.path, "db/001_add_users.up.sql");
    assert_eq!(first.down.as_ref().unwrap().path, "db/001_add_users.down.sql");
    assert_eq!(first.checksum, Checksum::Sha256(sha256_hex(b"SELECT '001_add_users.up.sql';\n")));
    let skipped: Vec<_> = bundle.skipped.iter().map(|(path, reason)| format!("{path}: {reason}")).collect();
    assert_eq!(
        skipped,
        [
            "db/4_single.sql: it does not say whether it goes up or down; write 4_single.up.sql, or name the tool that it is for: --format sqlx",
            "db/5_loud.UP.SQL: the ending is written in small letters; write 5_loud.up.sql",
            "db/6.up.sql: an underscore must follow the number 6",
            "db/name.up.sql: it does not begin with a number, as 001_name.up.sql does",
            "db/notes.sql: it is not named as 001_name.up.sql",
            "db/sub/3_deep.up.sql: only the top level is read; to read this one: --dir db/sub",
        ]
    );
}

#[test]
fn what_does_not_fit_together_is_refused() {
    for (files, code, what) in [
        (
            &["001_a.up.sql", "1_b.up.sql"][..],
            Code::DuplicateVersion,
            "db/001_a.up.sql and db/1_b.up.sql have one version: 001 is 1",
        ),
        (
            &["1_a.up.sql", "1_a.down.sql", "1_b.down.sql"],
            Code::DuplicateVersion,
            "db/1_a.down.sql and db/1_b.down.sql both have version 1",
        ),
        (
            &["1_a.up.sql", "2_b.down.sql"],
            Code::MissingPair,
            "db/2_b.down.sql is the way back of version 2, which has no migration",
        ),
        (
            &["1_a.up.sql", "2_b.check.sql"],
            Code::MissingPair,
            "db/2_b.check.sql is the check of version 2, which has no migration",
        ),
    ] {
        let refusal = read(&named(files), None).unwrap_err();
        assert_eq!((refusal.code, refusal.what.as_str()), (code, what));
    }
    let binary = with(&[("1_a.up.sql", &b"SELECT 1"[..]), ("1_a.down.sql", b"\xff")]);
    assert_eq!(read(&binary, None).unwrap_err().code, Code::NotUtf8);
}
