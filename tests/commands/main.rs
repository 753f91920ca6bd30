//! The commands of the README and of the examples, as a newcomer types them, with what they print.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod compare;
#[path = "../support/mod.rs"]
mod support;
mod wait;

use std::path::Path;
use std::process::Command;

use support::Bench;

#[test]
fn without_a_database() {
    trycmd::TestCases::new().env("NO_COLOR", "1").case("../../tests/commands/offline.trycmd");
}

/// What the README shows, with `...` for lines that it leaves out, and another time.
#[test]
fn lint_says_what_the_readme_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, block) = readme.split_once("$ cofferdam lint examples").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let (folder, expected) = block.split_once('\n').unwrap();
    let (begins, expected) = expected.strip_prefix("...\n").map_or((true, expected), |rest| (false, rest));
    let mut lint = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
    lint.args(["lint", &format!("examples{folder}")]).current_dir(&root).env("NO_COLOR", "1");
    let said = String::from_utf8(lint.output().unwrap().stdout).unwrap();
    let without_time = |text: &str| text.trim().rsplit_once(", ").unwrap().0.to_owned();
    let (expected, said) = (without_time(expected), without_time(&said));
    let mut rest = said.as_str();
    for (number, piece) in expected.split("\n...\n").enumerate() {
        let at = rest.find(piece).unwrap_or_else(|| panic!("{piece}\nis not in\n{said}"));
        assert!(number > 0 || !begins || at == 0, "{said}");
        rest = &rest[at + piece.len()..];
    }
    assert_eq!(rest, "");
}

#[test]
fn on_a_database_of_ones_own() {
    let bench = Bench::new("shop");
    let directory = bench.dir();
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("COFFERDAM_URL", &bench.url)
        .env("COFFERDAM_DIR", directory.to_str().unwrap())
        .case("../../tests/commands/readme.trycmd");
}

#[test]
fn with_the_examples() {
    let bench = Bench::new("shop");
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("COFFERDAM_URL", &bench.url)
        .env("COFFERDAM_DIR", "../../examples/shop/migrations")
        .case("../../tests/commands/examples.trycmd");
}

#[test]
fn on_schemas_that_differ() {
    let bench = Bench::new("shop");
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("COFFERDAM_URL", &bench.url)
        .env("COFFERDAM_DIR", "../../examples/shop/migrations")
        .case("../../tests/commands/diff.trycmd");
}

#[test]
fn on_a_table_that_is_changed_online() {
    let bench = Bench::new("shop");
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .env("COFFERDAM_URL", &bench.url)
        .env("COFFERDAM_DIR", "../../examples/shop/migrations")
        .case("../../tests/commands/online.trycmd");
}
