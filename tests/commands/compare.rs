//! `diff` and `drift`, with the real binary and real servers.

use serde_json::Value;

use crate::support::{Bench, ended, program, server, until};

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

/// In a throw-away database everything is its superuser's, so that what a superuser or the real owner is given by a
/// migration is the owner's own on one of the two sides.
#[test]
fn what_the_owner_of_the_other_side_is_given_is_no_difference() {
    let bench = shop();
    let role = format!("owner_{}", bench.database);
    bench.query(&format!(
        "CREATE ROLE {role}; ALTER TABLE users OWNER TO {role}; ALTER TABLE orders OWNER TO {role}"
    ));
    bench.file(
        "V3__rights.sql",
        &format!("GRANT SELECT ON users TO {role};\nGRANT UPDATE (note) ON orders TO postgres;"),
    );
    bench.must(&["apply"]);
    let acl = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attacl IS NOT NULL";
    assert_eq!(bench.one(acl), "1", "it was given");
    let (url, dir) = (bench.url.clone(), bench.dir().display().to_string());
    bench.must(&["diff", &url, &dir, "--exit-code"]);
    bench.must(&["diff", &dir, &url, "--exit-code"]);
    bench.must(&["drift", "--exit-code"]);
    let file = bench.folder.path().join("recorded.json").display().to_string();
    bench.must(&["drift", "--record", &file]);
    bench.must(&["drift", "--against", &file, "--exit-code"]);
    // Of anybody else it is one.
    bench.query(&format!("CREATE ROLE {role}_other; GRANT SELECT ON users TO {role}_other"));
    let changed = bench.run(&["diff", &dir, &url, "--exit-code", "-o", "json"]);
    assert_eq!(changed.code, 3, "{}", changed.stderr);
    assert_eq!(objects(&changed.stdout, "differences"), [pair("changed", "table public.users")]);
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

/// Throw-away databases on the server of the tests.
fn away() -> Vec<String> {
    let query = "SELECT datname FROM pg_database WHERE datname LIKE 'cofferdam_throw_away%'";
    server().query("postgres", query).unwrap().into_iter().filter_map(|row| row[0].clone()).collect()
}

#[test]
fn on_a_server_that_is_named_nothing_is_left_and_nothing_else_is_touched() {
    let bench = shop();
    let (url, dir) = (bench.url.clone(), bench.dir().display().to_string());
    // The database of the URL is only connected to, whatever is in it.
    let dev = Bench::new("dev");
    dev.query("CREATE TABLE kept (a int); CREATE SCHEMA cofferdam_throw_away_1; INSERT INTO kept VALUES (1)");
    let named = format!("cofferdam_throw_away_{}", dev.database);
    server().create_database(&named).unwrap();
    // Other tests make roles of their own on this server meanwhile.
    let roles = "SELECT count(*) FROM pg_roles WHERE rolname NOT LIKE '%\\_compared\\_%' AND rolname <> 'wait_reader'";
    let before = (dev.dump(), dev.one(roles));
    bench.must(&["diff", &dir, &dir, "--dev-url", &dev.url, "--exit-code"]);
    bench.must(&["diff", &url, &dir, "--dev-url", &dev.url, "--exit-code"]);
    let yaml = format!("environments: {{dev: {{devUrl: '{}'}}}}\n", dev.url);
    std::fs::write(bench.folder.path().join("cofferdam.yaml"), yaml).unwrap();
    let drift = bench.must(&["drift", "--env", "dev", "--exit-code"]);
    assert!(!drift.stderr.contains("a throw-away PostgreSQL"), "{}", drift.stderr);
    // Nor is anything left where a migration fails.
    bench.file("V9__bad.sql", "CREATE TABLE made (a int); SELECT 1 / 0;");
    let failed = bench.run(&["diff", &url, &dir, "--dev-url", &dev.url]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    assert!(failed.stderr.contains("CF3723"), "{}", failed.stderr);
    bench.remove("V9__bad.sql");
    // One that is killed leaves its database; the next drops that, and nothing that is only called alike.
    bench.file("V9__slow.sql", "CREATE TABLE made (a int); SELECT pg_sleep(60);");
    let mut child = bench.spawn(&["diff", &url, &dir, "--dev-url", &dev.url]);
    let running = || {
        let query = "SELECT datname FROM pg_stat_activity WHERE datname LIKE 'cofferdam_throw_away%' AND state = 'active'
                     AND query LIKE '%pg_sleep(60)%'";
        server().query("postgres", query).unwrap().first().and_then(|row| row[0].clone())
    };
    until("the statement runs", || running().is_some());
    let left = running().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(away().contains(&left));
    bench.remove("V9__slow.sql");
    until("what was killed is dropped", || {
        bench.must(&["diff", &url, &dir, "--dev-url", &dev.url, "--exit-code"]);
        away() == [named.as_str()]
    });
    assert_eq!((dev.dump(), dev.one(roles)), before);
    assert_eq!(dev.one("SELECT count(*) FROM kept"), "1");
}

#[test]
fn a_role_that_may_make_no_database_is_told_so() {
    let bench = shop();
    let role = format!("poor_{}", bench.database);
    bench.query(&format!("CREATE ROLE {role} LOGIN"));
    let dev = bench.url.replacen("postgres@", &format!("{role}@"), 1);
    assert_ne!(dev, bench.url);
    let dir = bench.dir().display().to_string();
    let refused = bench.run(&["diff", &bench.url, &dir, "--dev-url", &dev]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("error[CF3741]") && refused.stderr.contains("CREATEDB"),
        "{}",
        refused.stderr
    );
}

#[test]
fn without_migrations_a_database_is_held_against_what_was_recorded() {
    let bench = shop();
    let file = bench.folder.path().join("schema.json").display().to_string();
    let recorded = bench.must(&["drift", "--record", &file]);
    assert!(recorded.stdout.starts_with("recorded 14 objects of postgres"), "{}", recorded.stdout);
    // No migrations, and no server to apply them to.
    let alone = |arguments: &[&str]| {
        let mut command = bench.command(arguments);
        ended(command.env("COFFERDAM_DIR", "/nowhere").env("COFFERDAM_PG_BIN", "/nowhere"))
    };
    let same = alone(&["drift", "--against", &file, "--exit-code"]);
    assert_eq!(same.code, 0, "{}\n{}", same.stdout, same.stderr);
    bench.query("CREATE INDEX hotfix ON orders (note)");
    let drift = alone(&["drift", "--against", &file, "--exit-code", "-o", "json"]);
    assert_eq!(drift.code, 9, "{}", drift.stderr);
    assert_eq!(objects(&drift.stdout, "drift"), [pair("unexpected", "index public.hotfix")]);
    assert_eq!(alone(&["diff", &file, "env:COFFERDAM_URL", "--exit-code"]).code, 3);
    // It says what it is compared with, and that it is no longer the last word.
    bench.query("DROP INDEX hotfix");
    bench.file("V3__more.sql", "ALTER TABLE users ADD born date;");
    bench.must(&["apply"]);
    let older = alone(&["drift", "--against", &file, "--exit-code", "-o", "json"]);
    assert_eq!(objects(&older.stdout, "drift"), [pair("unexpected", "column public.users.born")]);
    assert!(older.stderr.contains("what Cofferdam changed meanwhile counts as drift"), "{}", older.stderr);
    bench.must(&["drift", "--record", &file]);
    assert_eq!(alone(&["drift", "--against", &file, "--exit-code"]).code, 0);
    // As many rows as the journal of the one that was recorded.
    let other = shop();
    other.file("V3__more.sql", "ALTER TABLE users ADD born date;");
    other.must(&["apply"]);
    let told = other.run(&["drift", "--against", &file]);
    assert!(told.stderr.contains("its journal is not the one of this database"), "{}", told.stderr);
    // Without either, it is said how.
    let neither = alone(&["drift"]);
    assert_eq!(neither.code, 2, "{}", neither.stderr);
    assert!(neither.stderr.contains("--against FILE"), "{}", neither.stderr);
    std::fs::write(&file, "{\"kind\": \"Diff\"}").unwrap();
    let refused = alone(&["drift", "--against", &file]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("error[CF3740]"), "{}", refused.stderr);
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
