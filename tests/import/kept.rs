//! Where it is kept what is applied: `--history`, and what an older release can take back.

use crate::support::Bench;
use crate::tool::{copy, document, goose, migrate, own, rows};

const GOOSE_ROWS: &str = "SELECT version_id FROM goose_db_version WHERE version_id > 0 ORDER BY id";

#[test]
fn own_leaves_the_tools_table_alone() {
    let bench = goose("own");
    bench.query("DROP TABLE a");
    bench.must(&["apply", "--history", "own"]);
    assert_eq!(rows(&bench, GOOSE_ROWS), ["1", "2"]);
    assert_eq!(own(&bench), ["00001", "00002", "20240101000000"]);
    // What it was not told of is asked about, and not guessed.
    let refused = bench.run(&["apply"]);
    assert_eq!(refused.code, 9, "{}", refused.stderr);
    assert!(refused.stderr.contains("error[CF3601]"), "{}", refused.stderr);
    bench.must(&["import", "--believe", "own"]);
    assert_eq!(rows(&bench, GOOSE_ROWS), ["1", "2", "20240101000000"]);
    bench.must(&["apply"]);
}

#[test]
fn tool_writes_only_the_tools_table_and_the_journal() {
    let bench = goose("tool");
    let flag = ["--history", "tool"];
    let with = |words: &[&'static str]| words.iter().chain(&flag).copied().collect::<Vec<_>>();
    bench.must(&with(&["apply"]));
    assert_eq!(rows(&bench, GOOSE_ROWS), ["1", "2", "20240101000000"]);
    assert_eq!(own(&bench), Vec::<String>::new());
    let status = document(&bench.must(&with(&["status", "-o", "json"])).stdout);
    assert_eq!(status["pending"], 0, "{status}");
    // By the way back that was stored with the run, without the files.
    for file in std::fs::read_dir(bench.dir()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    bench.must(&["rollback", "--history", "tool", "--tool", "goose", "--yes"]);
    assert_eq!(rows(&bench, GOOSE_ROWS), ["1", "2"]);
    assert_eq!(bench.one("SELECT to_regproc('f') IS NULL"), "t");
    bench.assert_sound();
}

#[test]
fn an_older_release_takes_back_a_newer_one_without_its_files() {
    let bench = migrate("older");
    bench.must(&["apply"]);
    // What the older release has.
    for name in ["2_index.up.sql", "2_index.down.sql", "3_c.up.sql", "3_c.down.sql"] {
        bench.remove(name);
    }
    bench.must(&["rollback", "--to", "2", "--yes"]);
    assert_eq!(
        rows(&bench, "SELECT version, dirty FROM schema_migrations"),
        ["2 f"],
        "not 1, where its files end"
    );
    assert_eq!(bench.one("SELECT to_regclass('c') IS NULL"), "t");
    // 2 was taken over from golang-migrate, with the way back of its file.
    bench.must(&["rollback", "--to", "1", "--yes"]);
    assert_eq!(rows(&bench, "SELECT version, dirty FROM schema_migrations"), ["1 f"]);
    assert_eq!(bench.one("SELECT to_regclass('ia') IS NULL"), "t");
    bench.assert_sound();

    let bench = goose("older_goose");
    bench.must(&["apply"]);
    // No directory at all: our own rows say in which tool's table they are, too.
    std::fs::remove_dir_all(bench.dir()).unwrap();
    bench.must(&["rollback", "--steps", "3", "--yes"]);
    assert_eq!(rows(&bench, GOOSE_ROWS), Vec::<String>::new());
    assert_eq!(bench.one("SELECT to_regclass('a') IS NULL"), "t");
    bench.assert_sound();
}

#[test]
fn what_fails_is_in_neither() {
    let bench = goose("fails");
    bench.file("20250101000000_bad.sql", "-- +goose Up\nCREATE TABLE z (id int);\nSELECT 1/0;\n");
    bench.must(&["apply", "1"]);
    let failed = bench.run(&["apply"]);
    assert_eq!(failed.code, 6, "{}", failed.stderr);
    assert_eq!(rows(&bench, GOOSE_ROWS), ["1", "2", "20240101000000"]);
    assert_eq!(own(&bench).len(), 3);
    bench.assert_sound();
}

#[test]
fn what_the_tool_cannot_hold_is_refused_and_leaves_nothing() {
    let bench = goose("refuses");
    bench.must(&["apply"]);
    bench.query(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
         CREATE TRIGGER no BEFORE INSERT ON goose_db_version FOR EACH ROW EXECUTE FUNCTION no()",
    );
    bench.file("20250101000000_z.sql", "-- +goose Up\nCREATE TABLE z (id int);\n");
    let failed = bench.run(&["apply"]);
    assert_ne!(failed.code, 0);
    assert_eq!(bench.one("SELECT to_regclass('z') IS NULL"), "t", "{}", failed.stderr);
    assert_eq!((rows(&bench, GOOSE_ROWS).len(), own(&bench).len()), (3, 3));
}

#[test]
fn a_baseline_is_written_for_the_tool_too() {
    let bench = Bench::new("baseline");
    copy(
        &bench,
        "goose/migrations",
        &["00001_create_a.sql", "00002_index.sql", "20240101000000_function.sql"],
    );
    bench.query("CREATE TABLE a(id int); CREATE INDEX ia ON a(id)");
    bench.must(&["baseline", "2"]);
    assert_eq!(rows(&bench, GOOSE_ROWS), ["1", "2"]);
    bench.must(&["apply"]);
    assert_eq!(rows(&bench, GOOSE_ROWS), ["1", "2", "20240101000000"]);
    bench.must(&["import"]);
}

#[test]
fn the_place_can_be_said_once_in_the_configuration() {
    let bench = Bench::new("configured");
    bench.file("V1__a.sql", "CREATE TABLE ${name} (id int);\n");
    let text = format!(
        "environments:\n  here:\n    url: {}\n    history: both\n    historyTable: log\n    placeholders: {{name: a}}\n",
        bench.url
    );
    std::fs::write(bench.folder.path().join("cofferdam.yaml"), text).unwrap();
    bench.must(&["apply", "--env", "here"]);
    assert_eq!(rows(&bench, "SELECT version FROM log"), ["1"]);
    assert_eq!(bench.one("SELECT to_regclass('a') IS NOT NULL"), "t");
    let bench = Bench::new("placeholder");
    bench.file("V1__a.sql", "CREATE TABLE ${name} (id int);\n");
    assert_eq!(bench.run(&["apply"]).code, 2);
    bench.must(&["apply", "--placeholder", "name=b"]);
    assert_eq!(bench.one("SELECT to_regclass('b') IS NOT NULL"), "t");
}

#[test]
fn rights_on_the_tools_table_are_asked_for_before_anything_is_done() {
    let bench = goose("rights");
    bench.must(&["import"]);
    let role = format!("role_{}", bench.database);
    bench.query(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT CREATE, USAGE ON SCHEMA public TO {role};
         GRANT USAGE ON SCHEMA cofferdam TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA cofferdam TO {role};
         GRANT SELECT ON goose_db_version TO {role}"
    ));
    let (scheme, rest) = bench.url.split_once("://").unwrap();
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    let ended = bench.run(&["apply", "--url", &format!("{scheme}://{role}:x@{host}")]);
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("GRANT INSERT ON \"public\".\"goose_db_version\" TO"), "{}", ended.stderr);
    assert_eq!(bench.one("SELECT to_regproc('f') IS NULL"), "t");
}
