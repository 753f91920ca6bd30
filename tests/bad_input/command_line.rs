//! Command lines with typos.

use cofferdam_core::Code;

use crate::refusal::{Expected, refused};
use crate::support::Bench;

const CASES: &[(&[&str], Expected)] = &[
    (&["aply"], Expected::new(Code::Usage, &["aply", "apply"])),
    (&["apply", "--dry-rum"], Expected::new(Code::Usage, &["--dry-rum", "--dry-run"])),
    (&["apply", "0"], Expected::new(Code::Usage, &["0"])),
    (&["apply", "--lock-timeout", "5 parsecs"], Expected::new(Code::Usage, &["5 parsecs"])),
    (&["apply", "--allow", "drop-table"], Expected::new(Code::Usage, &["RULE=REASON"])),
    (&["apply", "--allow", "drop-tabel=why"], Expected::new(Code::NoSuchRule, &["did you mean drop-table?"])),
    (&["lint", "--rule", "drop-tabel"], Expected::new(Code::NoSuchRule, &["did you mean drop-table?"])),
    (&["apply", "--to", "11"], Expected::new(Code::NoSuchVersion, &["11", "did you mean --to 1?"])),
    (&["apply", "--to", "latest"], Expected::new(Code::NoSuchVersion, &["latest", "cofferdam status"])),
    (&["apply", "--format", "flyweigh"], Expected::new(Code::UnknownFormat, &["flyway"])),
    (&["apply", "--env", "prod"], Expected::new(Code::BadConfig, &["prod"])),
    (&["explain", "CF9999"], Expected::new(Code::NoSuchCode, &["CF9999"])),
    (&["explain", "drop-tabel"], Expected::new(Code::NoSuchCode, &["drop-table"])),
    (
        &["repair", "01932f0c", "--says", "step-done"],
        Expected::new(Code::NoSuchRun, &["cofferdam history --runs"]),
    ),
    (
        &["repair", "01932f0c", "--says", "step-dun"],
        Expected::new(Code::WrongFact, &["did you mean --says step-done?"]),
    ),
    (&["rollback", "--to", "1", "--steps", "1"], Expected::new(Code::Usage, &["--to"])),
    (&["new", "x", "--version", "one"], Expected::new(Code::NoSuchVersion, &["one"])),
];

#[test]
fn typos_are_answered_with_the_nearest_word() {
    let bench = Bench::new("words");
    bench.file("V1__a.sql", "CREATE TABLE a (id int);\n");
    bench.must(&["apply"]);
    bench.file("V2__b.sql", "CREATE TABLE b (id int);\n");
    for (arguments, expected) in CASES {
        refused(&bench, arguments, expected);
    }
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let bench = Bench::new("words");
    bench.file("V1__a.sql", "CREATE TABLE a (id int);\n");
    refused(&bench, &["new", "a", "--version", "1"], &Expected::new(Code::AlreadyThere, &["V1__a.sql"]));
    assert_eq!(std::fs::read_to_string(bench.dir().join("V1__a.sql")).unwrap(), "CREATE TABLE a (id int);\n");
}

#[test]
fn settings_with_typos_are_refused() {
    let bench = Bench::new("words");
    bench.file("V1__a.sql", "CREATE TABLE a (id int);\n");
    for (text, says) in [
        ("environments: [", "cofferdam.yaml"),
        ("enviroments:\n  prod: {}\n", "enviroments"),
        ("environments:\n  prod:\n    urls: x\n", "urls"),
        ("environments:\n  prod:\n    lockTimeout: soon\n", "cofferdam.yaml"),
    ] {
        std::fs::write(bench.folder.path().join("cofferdam.yaml"), text).unwrap();
        refused(&bench, &["apply"], &Expected::new(Code::BadConfig, &[]));
        let said = bench.run(&["apply"]).stderr;
        assert!(said.contains(says), "{text}: {said}");
    }
    assert_eq!(bench.one("SELECT to_regclass('a') IS NULL"), "t");
}

#[test]
fn without_a_database_it_says_how_to_name_one() {
    let bench = Bench::new("words");
    bench.file("V1__a.sql", "CREATE TABLE a (id int);\n");
    crate::refusal::said(
        &|| {
            let mut command = bench.command(&["apply"]);
            command.env_remove("COFFERDAM_URL");
            command
        },
        &Expected::new(Code::NoUrl, &["--url"]),
    );
}
