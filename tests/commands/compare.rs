//! `diff` and `drift`, with the real binary and real servers.

use serde_json::Value;

use crate::support::{Bench, program, server};

fn shop() -> Bench {
    let bench = Bench::new("compared");
    bench.file("V1__users.sql", "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);");
    bench.file(
        "V2__orders.sql",
        "CREATE TABLE orders (id serial PRIMARY KEY, u int REFERENCES users, note text);",
    );
    bench.must(&["apply"]);
    bench
}

fn objects(document: &str, list: &str) -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(document).unwrap();
    let text = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
    document[list].as_array().unwrap().iter().map(|d| (text(d, "state"), text(d, "object"))).collect()
}

fn pair(state: &str, object: &str) -> (String, String) {
    (state.to_owned(), object.to_owned())
}

#[test]
fn a_database_is_what_its_migrations_made_until_somebody_changes_it() {
    let bench = shop();
    // What is pending is not expected yet.
    bench.file("V3__more.sql", "ALTER TABLE users ADD born date;");
    let drift = bench.must(&["drift", "--exit-code"]);
    assert!(drift.stdout.contains("is what is expected by the migrations"), "{}", drift.stdout);
    bench.query(
        "CREATE INDEX hotfix ON orders (note); ALTER TABLE users ALTER name DROP NOT NULL; DROP TABLE orders CASCADE;
         CREATE TABLE orders (id serial PRIMARY KEY, note text); CREATE INDEX hotfix ON orders (note)",
    );
    let drift = bench.run(&["drift", "--exit-code", "-o", "json"]);
    assert_eq!(drift.code, 9, "{}", drift.stderr);
    assert_eq!(
        objects(&drift.stdout, "drift"),
        [
            pair("missing", "column public.orders.u"),
            pair("different", "column public.users.name"),
            pair("missing", "constraint orders_u_fkey on public.orders"),
            pair("unexpected", "index public.hotfix"),
        ]
    );
    let screen = bench.must(&["drift"]).stdout;
    assert!(
        screen.contains("  there     CREATE INDEX hotfix ON public.orders USING btree (note)\n"),
        "{screen}"
    );
    assert!(screen.contains("2 missing, 1 unexpected, 1 different in "), "{screen}");
    // The way back, carried out, leads back.
    let back = bench.must(&["drift", "--sql", "--allow-drop"]).stdout;
    bench.query(&back);
    bench.must(&["drift", "--exit-code"]);
}

#[test]
fn a_change_that_nobody_applied_here_is_no_drift_of_another_database() {
    let bench = Bench::new("compared");
    bench.file("V1__users.sql", "CREATE TABLE users (id int PRIMARY KEY);");
    let refused = bench.run(&["drift"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("the database has no history of these migrations"), "{}", refused.stderr);
}

#[test]
fn directories_dumps_and_databases_are_compared_with_each_other() {
    let bench = shop();
    let (url, dir) = (bench.url.clone(), bench.dir().display().to_string());
    bench.must(&["diff", &url, &dir, "--exit-code"]);
    bench.must(&["diff", &dir, &url, "--exit-code"]);
    // With what its owner and its grants name, which no throw-away server knows.
    let role = format!("keeper_{}", bench.database);
    bench.query(&format!(
        "CREATE ROLE {role}; ALTER TABLE users OWNER TO {role}; GRANT SELECT ON orders TO {role}"
    ));
    let dump = std::process::Command::new(program("pg_dump")).args(["--schema-only", &url]).output().unwrap();
    assert!(dump.status.success());
    let file = bench.folder.path().join("schema.sql");
    std::fs::write(&file, &dump.stdout).unwrap();
    let file = file.display().to_string();
    bench.must(&["diff", &url, &file, "--exit-code"]);
    let changed = bench.run(&["diff", &file, &dir, "--exit-code", "-o", "json"]);
    assert_eq!(changed.code, 3, "{}", changed.stderr);
    assert_eq!(objects(&changed.stdout, "differences"), [pair("changed", "table public.orders")]);
    bench.must(&["diff", &file, &dir, "--ignore", "grants", "--exit-code"]);
    bench.must(&["drift", "--against", &file, "--exit-code"]);
}

#[test]
fn statements_lead_from_one_directory_to_another_and_drops_are_held_back() {
    let bench = Bench::new("compared");
    for (folder, text) in [
        ("old", "CREATE TABLE t (a int, old text); CREATE VIEW v AS SELECT a FROM t;"),
        (
            "new",
            "CREATE TABLE t (a bigint, new text); CREATE INDEX t_new ON t (new); CREATE VIEW v AS SELECT a FROM t;",
        ),
    ] {
        std::fs::create_dir(bench.folder.path().join(folder)).unwrap();
        std::fs::write(bench.folder.path().join(folder).join("V1__t.sql"), text).unwrap();
    }
    let sql = bench.must(&["diff", "old", "new", "--sql"]);
    assert!(sql.stdout.contains("-- ALTER TABLE \"public\".\"t\" DROP COLUMN \"old\";\n"), "{}", sql.stdout);
    assert!(sql.stderr.contains("lint has "), "{}", sql.stderr);
    bench.query("CREATE TABLE t (a int, old text); CREATE VIEW v AS SELECT a FROM t");
    bench.query(&bench.must(&["diff", "old", "new", "--sql", "--allow-drop"]).stdout);
    bench.must(&["diff", &bench.url, "new", "--exit-code"]);
    let picture = bench.must(&["diff", "old", "new", "--mermaid"]).stdout;
    assert!(
        picture.starts_with("erDiagram\n    public_t[\"public.t\"] {\n        bigint a \"changed\"\n"),
        "{picture}"
    );
}

#[test]
fn a_named_throw_away_database_must_be_empty_and_is_empty_afterwards() {
    let bench = shop();
    let (url, dir) = (bench.url.clone(), bench.dir().display().to_string());
    let away = Bench::new("away");
    let before = away.dump();
    bench.must(&["diff", &dir, &dir, "--dev-url", &away.url, "--exit-code"]);
    bench.must(&["diff", &url, &dir, "--dev-url", &away.url, "--exit-code"]);
    assert_eq!(away.dump(), before);
    assert_eq!(away.one("SELECT count(*) FROM pg_namespace WHERE nspname = 'cofferdam'"), "0");
    // Whatever is in there, nothing of it is touched.
    for something in [
        "CREATE TABLE kept (a int)",
        "CREATE SCHEMA kept",
        "CREATE SCHEMA cofferdam",
        "CREATE FUNCTION kept() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ] {
        let kept = Bench::new("kept");
        kept.query(something);
        let before = kept.dump();
        let refused = bench.run(&["diff", &url, &dir, "--dev-url", &kept.url]);
        assert_eq!(refused.code, 2, "{something}: {}", refused.stderr);
        assert!(refused.stderr.contains("CF3722"), "{}", refused.stderr);
        assert_eq!(kept.dump(), before, "{something}");
    }
    // Nor is it left behind when a migration fails.
    bench.file("V9__bad.sql", "CREATE TABLE made (a int); SELECT 1 / 0;");
    let failed = bench.run(&["diff", &url, &dir, "--dev-url", &away.url]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    assert!(failed.stderr.contains("CF3723"), "{}", failed.stderr);
    assert_eq!(away.dump(), before);
    assert_eq!(server().query("postgres", "SELECT 1").unwrap().len(), 1);
}

#[test]
fn what_is_none_of_them_is_refused_by_its_name() {
    let bench = Bench::new("compared");
    std::fs::write(
        bench.folder.path().join("cofferdam.yaml"),
        "environments: {prod: {url: 'postgres://u:canary@h/d'}}\n",
    )
    .unwrap();
    let refused = bench.run(&["diff", "prd", "migrations"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("CF3721") && refused.stderr.contains("did you mean the environment prod?"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("canary"));
}
