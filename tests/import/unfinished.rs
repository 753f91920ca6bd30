//! What a tool left half done: explained by the catalog, with what is to be done, and never passed over.

use crate::support::Bench;
use crate::tool::{copy, document, migrate, rows};

fn dirty(name: &str) -> Bench {
    let bench = migrate(name);
    bench.remove("3_c.up.sql");
    bench.remove("3_c.down.sql");
    copy(&bench, "golang-migrate/migrations", &["10_fails.up.sql", "10_fails.down.sql"]);
    bench.query("UPDATE schema_migrations SET version = 10, dirty = true");
    bench
}

#[test]
fn dirty_with_nothing_there_goes_back() {
    let bench = dirty("dirty");
    for command in ["apply", "import"] {
        let refused = bench.run(&[command]);
        assert_eq!(refused.code, 1, "{command}: {} {}", refused.stdout, refused.stderr);
    }
    let refused = bench.run(&["apply"]);
    assert!(refused.stderr.contains("error[CF3406]"), "{}", refused.stderr);
    assert_eq!(rows(&bench, "SELECT version, dirty FROM schema_migrations"), ["10 t"], "left as it is");
    let shown = document(&bench.run(&["import", "--dry-run", "-o", "json"]).stdout);
    let what = &shown["unfinished"][0];
    assert_eq!((what["key"].as_str(), what["state"].as_str()), (Some("10"), Some("dirty")), "{shown}");
    assert_eq!(what["statements"][0]["state"], "not there", "{shown}");
    let text = bench.run(&["import", "--dry-run"]).stdout;
    assert!(text.contains("migrate force 2"), "{text}");
    // With the file that is written right, and the mark where golang-migrate would put it.
    bench.file("10_fails.up.sql", "CREATE TABLE b(id int);\n");
    bench.query("UPDATE schema_migrations SET version = 2, dirty = false");
    bench.must(&["apply"]);
    assert_eq!(rows(&bench, "SELECT version, dirty FROM schema_migrations"), ["10 f"]);
}

#[test]
fn dirty_with_all_or_part_there_says_so() {
    let bench = dirty("dirty_all");
    bench.file("10_fails.up.sql", "CREATE TABLE b(id int);\nCREATE TABLE d(id int);\n");
    bench.query("CREATE TABLE b(id int)");
    let fix = || -> Vec<String> {
        let shown = document(&bench.run(&["import", "--dry-run", "-o", "json"]).stdout);
        let what = &shown["unfinished"][0];
        let mut said = vec![what["catalog"].as_str().unwrap().to_owned()];
        said.extend(what["fix"].as_array().unwrap().iter().map(|fix| fix.as_str().unwrap().to_owned()));
        said
    };
    let part = fix();
    assert_eq!((part[0].as_str(), part.len()), ("some of it is there", 3), "{part:?}");
    assert!(part[1].to_lowercase().contains("drop table") && part[2] == "migrate force 2", "{part:?}");
    bench.query("CREATE TABLE d(id int)");
    assert_eq!(fix(), ["all of it is there", "migrate force 10"]);
}

#[test]
fn flyways_failed_row_is_explained() {
    let bench = Bench::new("failed");
    bench.file("V1__a.sql", "CREATE TABLE a (id int);\n");
    bench.file("V2__b.sql", "CREATE INDEX CONCURRENTLY ib ON a (id);\n");
    bench.must(&["apply", "1", "--history", "both"]);
    bench.query(
        "INSERT INTO flyway_schema_history
         VALUES (2, '2', 'b', 'SQL', 'V2__b.sql', -973615492, 'postgres', now(), 5, false)",
    );
    let refused = bench.run(&["apply"]);
    assert!(refused.code == 1 && refused.stderr.contains("error[CF3406]"), "{}", refused.stderr);
    let text = bench.run(&["import"]).stdout;
    assert!(text.contains("nothing of it is there") && text.contains("fix: flyway repair"), "{text}");
    bench.query("DELETE FROM flyway_schema_history WHERE NOT success");
    bench.must(&["apply"]);
}
