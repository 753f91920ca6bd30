//! The migration that users wrote down, as it stands; and releases that are applied one by one and taken back to
//! each in turn.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

use serde_json::Value;
use support::Bench;

const NAME: &str = "V1.1.0.001__Add_orders_table.sql";
const SAMPLE: &str = include_str!("V1.1.0.001__Add_orders_table.sql");
/// Its way back, which its author writes: a DO block and an UPDATE have none that could be read from them.
const BACK: &str = "DROP TABLE orders;
    UPDATE project_metadata SET project_version = 'v1.0.0' WHERE project_name = 'e-commerce-api';";
/// The release before it, which makes what it asks for.
const BEFORE: &str = "CREATE TABLE project_metadata (
        project_name text PRIMARY KEY, project_version text NOT NULL, updated_at timestamp);
    INSERT INTO project_metadata VALUES ('e-commerce-api', 'v1.0.0');";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn bench() -> Bench {
    let bench = Bench::new("sample");
    bench.file("V1.0.0__metadata.sql", BEFORE);
    bench.must(&["apply"]);
    bench.file(NAME, SAMPLE);
    bench
}

#[test]
fn it_is_explained_and_a_rewrite_is_offered() {
    let bench = bench();
    let found = bench.run(&["lint", "-o", "json"]);
    assert_eq!(found.code, 4, "{}", found.stderr);
    let document = json(&found.stdout);
    let findings = document["findings"].as_array().unwrap();
    let inside: Vec<&Value> =
        findings.iter().filter(|f| f["rule"] == "create-index-concurrently-in-tx").collect();
    assert_eq!(inside.len(), 2, "{document}");
    for finding in inside {
        assert_eq!(finding["severity"], "error");
        assert!(finding["path"].as_str().unwrap().ends_with(NAME), "{finding}");
        assert!(finding["help"].as_str().unwrap().contains("lint --fix"), "{finding}");
        assert_eq!(finding["fix"]["moved"].as_array().map(Vec::len), Some(1), "{finding}");
    }
    let refused = bench.run(&["apply"]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("error[CF2307]") && refused.stderr.contains("lint --fix"),
        "{}",
        refused.stderr
    );
    assert_eq!(bench.one("SELECT to_regclass('orders') IS NULL"), "t");
}

#[test]
fn its_rewrite_is_applied_and_taken_back() {
    let bench = bench();
    bench.file("U1.1.0.001__Add_orders_table.sql", BACK);
    let before = bench.dump();
    bench.must(&["lint", "--fix"]);
    let mut names: Vec<String> = std::fs::read_dir(bench.dir())
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with("V1.1"))
        .collect();
    names.sort();
    assert_eq!(names, ["V1.1.0.001.1__Add_orders_table_concurrently.sql", NAME]);
    let left = std::fs::read_to_string(bench.dir().join(NAME)).unwrap();
    for gone in ["BEGIN;", "COMMIT;", "CONCURRENTLY"] {
        assert!(!left.contains(gone), "{left}");
    }
    for kept in [
        "RAISE EXCEPTION",
        "CREATE TABLE IF NOT EXISTS orders",
        "UPDATE project_metadata",
        "-- Update metadata",
    ] {
        assert!(left.contains(kept), "{left}");
    }
    let again = std::fs::read_to_string(bench.dir().join(names[0].as_str())).unwrap();
    assert_eq!(again.matches("CREATE INDEX CONCURRENTLY IF NOT EXISTS").count(), 2, "{again}");
    // A second time there is nothing to rewrite.
    bench.must(&["lint", "--fix"]);
    assert_eq!(std::fs::read_to_string(bench.dir().join(NAME)).unwrap(), left);

    bench.must(&["apply"]);
    let indexes = "SELECT count(*) FROM pg_index WHERE indrelid = 'orders'::regclass AND indisvalid";
    assert_eq!(bench.one(indexes), "4");
    assert_eq!(bench.one("SELECT project_version FROM project_metadata"), "v1.1.0");
    let applied = bench.dump();
    let nothing = bench.must(&["apply"]);
    assert!(nothing.stdout.contains("nothing to do"), "{}", nothing.stdout);
    let status = json(&bench.must(&["status", "-o", "json"]).stdout);
    assert_eq!((&status["upToDate"], &status["pending"]), (&true.into(), &0.into()), "{status}");
    assert_eq!(status["version"], "1.1.0.001.1", "{status}");
    assert_eq!(bench.dump(), applied);

    bench.must(&["rollback", "--to", "1.0.0", "--yes"]);
    assert_eq!(bench.dump(), before);
    assert_eq!(bench.one("SELECT project_version FROM project_metadata"), "v1.0.0");
    let status = json(&bench.must(&["status", "-o", "json"]).stdout);
    assert_eq!((&status["version"], &status["pending"]), (&"1.0.0".into(), &2.into()), "{status}");
    // Forwards again, as if nothing had been.
    bench.must(&["apply"]);
    assert_eq!(bench.dump(), applied);
    bench.assert_sound();
}

/// What its DO block asks for is not there: it fails as a whole, and says its own words.
#[test]
fn its_check_of_the_upgrade_path_holds() {
    let bench = bench();
    bench.must(&["lint", "--fix"]);
    bench.query("UPDATE project_metadata SET project_version = 'v0.9.0'");
    let before = bench.dump();
    let ended = bench.run(&["apply"]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert!(ended.stderr.contains("Cannot upgrade from v0.9.0 to v1.1.0"), "{}", ended.stderr);
    assert_eq!(bench.dump(), before);
    assert_eq!(bench.history().len(), 1);
    bench.assert_sound();
}

const RELEASES: &[(&str, &str)] = &[
    ("V1__shop.sql", include_str!("releases/V1__shop.sql")),
    ("V2__routines.sql", include_str!("releases/V2__routines.sql")),
    ("V3__constraints.sql", include_str!("releases/V3__constraints.sql")),
    ("V4__names.sql", include_str!("releases/V4__names.sql")),
    ("V5__moves.sql", include_str!("releases/V5__moves.sql")),
    ("V6__last.sql", include_str!("releases/V6__last.sql")),
];

fn releases() -> Bench {
    let bench = Bench::new("releases");
    for (name, text) in RELEASES {
        bench.file(name, text);
    }
    bench
}

/// The rules that these releases break on purpose.
const ALLOWED: &[&str] =
    &["--allow=rename-column=test", "--allow=rename-table=test", "--allow=drop-not-null=test"];

fn apply_all(bench: &Bench) -> Vec<String> {
    let mut dumps = vec![bench.dump()];
    for _ in RELEASES {
        bench.must(&[&["apply", "1"], ALLOWED].concat());
        dumps.push(bench.dump());
    }
    dumps
}

#[test]
fn releases_are_taken_back_one_by_one() {
    let bench = releases();
    let dumps = apply_all(&bench);
    for version in (0..RELEASES.len()).rev() {
        bench.must(&["rollback", "--to", &version.to_string(), "--yes"]);
        assert_eq!(bench.dump(), dumps[version], "back at version {version}");
        assert_eq!(bench.history().len(), version);
    }
    bench.assert_sound();
}

#[test]
fn releases_are_taken_back_all_at_once_and_applied_at_once() {
    let bench = releases();
    let dumps = apply_all(&bench);
    for version in [4, 2, 0] {
        bench.must(&["rollback", "--to", &version.to_string(), "--yes"]);
        assert_eq!(bench.dump(), dumps[version], "back at version {version}");
        bench.must(&[&["apply"], ALLOWED].concat());
        assert_eq!(&bench.dump(), dumps.last().unwrap(), "forwards from version {version}");
        bench.must(&["plan", "--exit-code"]);
    }
    bench.assert_sound();
}

/// An older release takes a newer one back: what is needed for it is stored with it.
#[test]
fn a_release_is_taken_back_without_its_files() {
    let bench = releases();
    let dumps = apply_all(&bench);
    for (name, _) in &RELEASES[3..] {
        bench.remove(name);
    }
    bench.must(&["rollback", "--to", "3", "--yes"]);
    assert_eq!(bench.dump(), dumps[3]);
    bench.must(&["plan", "--exit-code"]);
    bench.assert_sound();
}
