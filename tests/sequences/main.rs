//! Every kind of statement, three ways: what `apply` makes of it is to the last byte what the statement as written
//! makes; planning again finds nothing to do; and `rollback` leads back to the last byte of what was there before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod cases;
mod quoting;

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use cases::{Case, WayBack};
use support::{Bench, each, ended, program, server};

const SHOP: &str = include_str!("shop.sql");

/// The dump of the database `shop` that every case begins with, which is made once.
fn shop() -> &'static str {
    static MADE: OnceLock<String> = OnceLock::new();
    MADE.get_or_init(|| {
        server().query("postgres", "CREATE ROLE keeper").unwrap();
        server().create_database("shop").unwrap();
        server().query("shop", SHOP).unwrap();
        let dump = dump(&server().url("shop"));
        server().query("postgres", "ALTER DATABASE shop ALLOW_CONNECTIONS false").unwrap();
        dump
    })
}

/// A database of its own that is as the shop.
fn copy_of_shop(name: String) -> String {
    shop();
    server().query("postgres", &format!("CREATE DATABASE {name} TEMPLATE shop")).unwrap();
    name
}

/// Schema and rows, owners and rights, without Cofferdam's own schema.
fn dump(url: &str) -> String {
    let output = Command::new(program("pg_dump")).args(["-N", "cofferdam", url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let key = |l: &&str| !l.starts_with("\\restrict") && !l.starts_with("\\unrestrict");
    text.lines().filter(key).collect::<Vec<_>>().join("\n")
}

/// Two dumps are the same; else what only one of them has is shown.
#[track_caller]
fn assert_same(ours: &str, expected: &str, what: &str) {
    if ours == expected {
        return;
    }
    let only = |a: &str, b: &str, mark: &str| -> Vec<String> {
        let other: std::collections::HashSet<&str> = b.lines().collect();
        a.lines().filter(|l| !other.contains(l)).take(20).map(|l| format!("{mark} {l}")).collect()
    };
    let lines = [only(expected, ours, "-"), only(ours, expected, "+")].concat();
    panic!("{what}: the dumps differ (- expected, + there)\n{}", lines.join("\n"));
}

/// A database of the case, as it is before the change.
fn database(case: &Case, purpose: &str) -> String {
    let name = copy_of_shop(format!("{purpose}_{}", case.number));
    if !case.before.is_empty() {
        server().query(&name, &case.before).unwrap();
    }
    name
}

/// Runs the statements as psql does, each by itself, and gives the dumps from before and after.
fn as_written(case: &Case) -> (String, String) {
    let name = database(case, "written");
    let url = server().url(&name);
    let before = if case.before.is_empty() { shop().to_owned() } else { dump(&url) };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &case.change).unwrap();
    let mut psql = Command::new(program("psql"));
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file.path()).arg(&url).stdin(Stdio::null());
    let done = ended(&mut psql);
    assert_eq!(done.code, 0, "the case itself is wrong: {}", done.stderr);
    (before, dump(&url))
}

/// The case is about what is done, not about whether it is wise.
fn allowing_everything() -> Vec<String> {
    cofferdam_lint::RULES.iter().map(|rule| format!("--allow={}=a test", rule.id)).collect()
}

fn check(case: &Case) {
    let (before, after) = as_written(case);
    let bench = Bench::of(database(case, "planned"));
    bench.file("V1__change.sql", &case.change);
    let allowed = allowing_everything();
    let with = |verb: &'static str, more: &[&'static str]| -> Vec<&str> {
        [verb].into_iter().chain(more.iter().copied()).chain(allowed.iter().map(String::as_str)).collect()
    };
    bench.must(&with("apply", &[]));
    assert_same(&dump(&bench.url), &after, "applied");
    bench.must(&with("plan", &["--exit-code"]));
    let back = bench.run(&["rollback", "--to", "0", "--yes"]);
    match (case.way_back, back.code) {
        (WayBack::There | WayBack::Any, 0) => assert_same(&dump(&bench.url), &before, "taken back"),
        (WayBack::Stays, 0) => assert_same(&dump(&bench.url), &after, "taken back"),
        (WayBack::None | WayBack::Any, 1) => {
            assert!(back.stderr.contains("error[CF2401]"), "{}", back.stderr);
            assert_same(&dump(&bench.url), &after, "not taken back");
        }
        _ => panic!("rollback ended with {}: {}{}", back.code, back.stdout, back.stderr),
    }
}

#[test]
fn every_kind_of_statement() {
    let cases = cases::all();
    assert!(cases.len() > 150, "only {} cases were read", cases.len());
    each(&cases, |case| case.name.clone(), check);
}
