//! `plan` and `apply` ask what `lint` asks, and judge as the team wants.

use crate::{document, shop};

#[test]
fn plan_and_apply_ask_the_rows_what_lint_asks() {
    let bench = shop("asked");
    bench.file("V1__change.sql", "CREATE UNIQUE INDEX once ON orders (customer);");
    for command in ["plan", "apply"] {
        let ended = bench.run(&[command]);
        assert_eq!(ended.code, 4, "{command}: {}\n{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains("unique-duplicates"), "{command}: {}", ended.stderr);
    }
    // Without the cause nothing is said.
    bench.query("CREATE TABLE single AS SELECT DISTINCT customer FROM orders");
    bench.file("V1__change.sql", "CREATE UNIQUE INDEX once ON single (customer);");
    bench.must(&["plan"]);
}

#[test]
fn the_planner_says_how_many_rows_a_statement_changes() {
    let bench = shop("changed");
    bench.query("CREATE TABLE many AS SELECT n AS id, n % 2 = 0 AS even FROM generate_series(1, 300000) n; ANALYZE many");
    bench.file("V1__change.sql", "UPDATE many SET even = false WHERE even;");
    bench.file("V2__one.sql", "UPDATE many SET even = false WHERE id = 7;");
    let plan = bench.run(&["plan", "-o", "json"]);
    let found = document(&plan);
    let rules: Vec<&str> =
        found["findings"].as_array().unwrap().iter().map(|f| f["rule"].as_str().unwrap()).collect();
    assert_eq!(rules.iter().filter(|rule| **rule == "dml-large").count(), 1, "{found:#}");
    // It was planned and not executed.
    assert_eq!(bench.one("SELECT count(*) FROM many WHERE even"), "150000");
    let lint = bench.run(&["lint", "--url", &bench.url, "-o", "json"]);
    assert!(lint.stdout.contains("dml-large"), "{}\n{}", lint.stdout, lint.stderr);
}

#[test]
fn a_key_that_runs_out_is_told_with_its_numbers() {
    let bench = shop("exhausted");
    bench.file("V1__change.sql", "ALTER TABLE orders ADD COLUMN extra text;");
    let finds =
        || bench.run(&["lint", "--url", &bench.url, "-o", "json"]).stdout.contains("int-pk-exhaustion");
    assert!(!finds());
    bench.query("SELECT setval('orders_id_seq', 2000000000)");
    assert!(finds());
}

#[test]
fn what_a_team_decides_of_rules_decides_plan_and_apply_too() {
    let bench = shop("decides");
    bench.file("V1__change.sql", "DROP TABLE customers CASCADE;");
    let refused = bench.run(&["plan"]);
    assert_eq!(refused.code, 4, "{}\n{}", refused.stdout, refused.stderr);
    let yaml = |text: &str| std::fs::write(bench.folder.path().join("cofferdam.yaml"), text).unwrap();
    yaml("lint:\n  rules: {drop-table: warning, drop-cascade: off}\n");
    bench.must(&["plan"]);
    // And the other way: what is a hint may be made an error.
    bench.file("V1__change.sql", "ALTER TABLE orders ALTER COLUMN customer DROP NOT NULL;");
    bench.must(&["plan"]);
    yaml("lint:\n  rules: {drop-not-null: error}\n");
    let refused = bench.run(&["apply"]);
    assert_eq!(refused.code, 4, "{}\n{}", refused.stdout, refused.stderr);
    // Names, of cofferdam.yaml and of an atlas.hcl.
    bench.file("V1__change.sql", "CREATE INDEX CONCURRENTLY wrong ON orders (total);");
    yaml("lint:\n  naming: [{of: index, match: \"^idx_\"}]\n  rules: {naming: error}\n");
    assert_eq!(bench.run(&["plan"]).code, 4);
    yaml("{}\n");
    bench.must(&["plan"]);
    let hcl = "lint {\n  naming {\n    index {\n      match = \"^idx_\"\n    }\n  }\n  modify_check {\n    error = true\n  }\n}\n";
    std::fs::write(bench.folder.path().join("atlas.hcl"), hcl).unwrap();
    let lint = bench.run(&["lint", "-o", "json"]);
    assert!(lint.stdout.contains("CF1089"), "{}\n{}", lint.stdout, lint.stderr);
    assert!(!lint.stderr.contains("not honoured"), "{}", lint.stderr);
}
