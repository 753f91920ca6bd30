//! The commands of the README and of the examples, as a newcomer types them, with what they print.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod compare;
#[path = "../support/mod.rs"]
mod support;
mod wait;

use support::Bench;

#[test]
fn without_a_database() {
    trycmd::TestCases::new().env("NO_COLOR", "1").case("../../tests/commands/offline.trycmd");
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
