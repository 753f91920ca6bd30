//! Files that do not fit what was applied, and rollbacks that would lose something.

use cofferdam_core::Code;

use crate::refusal::{Expected, document, everything, refused};
use crate::support::Bench;

/// Versions 1 and 3 are applied.
fn bench() -> Bench {
    let bench = Bench::new("history");
    bench
        .file("V1__a.sql", "CREATE TABLE a (id int PRIMARY KEY);\n")
        .file("V3__c.sql", "ALTER TABLE a ADD COLUMN c text;\nINSERT INTO a VALUES (1, 'kept');\n")
        .file("U3__c.sql", "DELETE FROM a;\nALTER TABLE a DROP COLUMN c;\n");
    bench.must(&["apply"]);
    bench
}

#[test]
fn a_late_version_is_refused_and_can_be_let_in() {
    let bench = bench();
    bench.file("V2__b.sql", "CREATE TABLE b (id int);\n");
    let expected = Expected::new(Code::OutOfOrder, &["V2__b.sql", "older than 3", "--out-of-order"]);
    refused(&bench, &["apply"], &expected);
    let plan = bench.run(&["plan"]);
    assert!(plan.code == 1 && plan.stderr.contains("error[CF2006]"), "{}", plan.stderr);
    bench.must(&["apply", "--out-of-order"]);
    assert_eq!(bench.history().iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    bench.must(&["plan", "--exit-code"]);
    bench.assert_sound();
}

#[test]
fn a_changed_file_is_refused_and_can_be_accepted() {
    let bench = bench();
    bench.file("V1__a.sql", "CREATE TABLE a (id bigint PRIMARY KEY);\n");
    bench.file("V4__d.sql", "CREATE TABLE d (id int);\n");
    let expected =
        Expected::new(Code::ChecksumChanged, &["V1__a.sql", "put the file back", "cofferdam repair"]);
    refused(&bench, &["apply"], &expected);
    let validated = bench.run(&["validate"]);
    assert!(validated.code == 1 && validated.stdout.contains("error[CF2007]"), "{}", validated.stdout);
    bench.must(&["repair"]);
    bench.must(&["apply"]);
    assert_eq!(bench.history().len(), 3);
    bench.assert_sound();
}

#[test]
fn a_file_that_is_gone_is_refused_and_can_be_accepted() {
    let bench = bench();
    bench.remove("V1__a.sql");
    bench.file("V4__d.sql", "CREATE TABLE d (id int);\n");
    let expected = Expected::new(Code::FileGone, &["version 1 (a)", "restore the file", "cofferdam repair"]);
    refused(&bench, &["apply"], &expected);
    // The other problems are named beside the first.
    bench.file("V3__c.sql", "SELECT 1;\n");
    let all = bench.run(&["apply"]);
    assert!(all.stderr.contains("CF2007") && all.stderr.contains("CF2008"), "{}", all.stderr);
    bench.must(&["repair"]);
    bench.must(&["apply"]);
    bench.assert_sound();
}

#[test]
fn a_rollback_that_loses_something_needs_consent() {
    let bench = bench();
    let expected = Expected::new(Code::WouldLose, &["the values of a.c", "--yes"]);
    for arguments in [&["rollback"][..], &["rollback", "--to", "1"], &["rollback", "--steps", "1"]] {
        refused(&bench, arguments, &expected);
    }
    // A look costs nothing.
    let before = everything(&bench);
    let look = bench.must(&["rollback", "--dry-run", "-o", "json"]);
    let document = document(&look.stdout);
    assert_eq!(document["kind"], "RollbackPlan");
    assert!(document["losses"].as_array().is_some_and(|l| !l.is_empty()), "{document}");
    assert_eq!(everything(&bench), before);
    bench.must(&["rollback", "--yes"]);
    assert_eq!(bench.history().len(), 1);
    bench.assert_sound();
}

#[test]
fn a_rollback_to_nowhere_is_refused() {
    let bench = bench();
    for (version, says) in [("2", "in force, newest first: 3, 1"), ("9.9", "9.9"), ("later", "later")] {
        let expected = Expected { code: Code::NoSuchVersion, place: None, says: &["cofferdam status"] };
        refused(&bench, &["rollback", "--to", version], &expected);
        let said = bench.run(&["rollback", "--to", version]).stderr;
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn what_has_no_way_back_is_refused() {
    let bench = bench();
    bench.file("V4__d.sql", "UPDATE a SET c = 'other' WHERE id = 1;\n");
    bench.must(&["apply"]);
    let expected = Expected::new(Code::NoWayBack, &["before the update", "U4__d.sql"]);
    refused(&bench, &["rollback"], &expected);
    refused(&bench, &["rollback", "--to", "1", "--yes"], &expected);
}

#[test]
fn a_baseline_of_what_has_a_history_is_refused() {
    let expected = Expected::new(Code::NothingToBaseline, &[]);
    refused(&bench(), &["baseline", "2"], &expected);
}
