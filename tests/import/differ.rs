//! Where the two histories, or the files, differ.

use crate::support::Bench;
use crate::tool::{FLYWAY, GOOSE, document, goose, migrate, own, rows};

#[test]
fn what_the_tool_took_back_is_asked_about_and_not_run_again() {
    let bench = goose("took_back");
    bench.must(&["apply"]);
    // goose down: the row goes, and the function with it.
    bench.query("DROP FUNCTION f(); DELETE FROM goose_db_version WHERE version_id = 20240101000000");
    for command in ["apply", "validate"] {
        let refused = bench.run(&[command]);
        assert_eq!(refused.code, 9, "{command}: {}", refused.stderr);
    }
    let shown = bench.run(&["import", "-o", "json"]);
    assert_eq!(shown.code, 9);
    let shown = document(&shown.stdout);
    let missing = &shown["missingThere"][0];
    assert_eq!((missing["version"].as_str(), own(&bench).len()), (Some("20240101000000"), 3), "{shown}");
    bench.must(&["import", "--believe", "tool"]);
    assert_eq!(own(&bench), ["00001", "00002"]);
    bench.must(&["apply"]);
    assert_eq!(bench.one("SELECT f()"), "1");
    bench.must(&["import"]);
    bench.assert_sound();
}

#[test]
fn an_emptied_table_makes_nothing_run_twice() {
    let bench = migrate("emptied");
    bench.file("4_data.up.sql", "INSERT INTO c VALUES (1);\n").file("4_data.down.sql", "DELETE FROM c;\n");
    bench.must(&["apply"]);
    bench.query("DELETE FROM schema_migrations");
    assert_eq!(bench.run(&["apply"]).code, 9);
    let shown = document(&bench.run(&["import", "-o", "json"]).stdout);
    let there: Vec<_> = shown["missingThere"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["catalog"].as_str().unwrap())
        .collect();
    assert_eq!(
        there,
        ["all of it is there", "all of it is there", "all of it is there", "it cannot be told"]
    );
    assert_eq!(bench.one("SELECT count(*) FROM c"), "1");
    bench.must(&["import", "--believe", "own"]);
    assert_eq!(rows(&bench, "SELECT version, dirty FROM schema_migrations"), ["4 f"]);
    bench.must(&["apply"]);
    assert_eq!(bench.one("SELECT count(*) FROM c"), "1");
}

#[test]
fn what_flyway_says_it_deleted_counts_as_taken_back() {
    let bench = Bench::new("deleted");
    bench.file("V1__a.sql", "CREATE TABLE a (id int);\n").file("V2__b.sql", "CREATE TABLE b (id int);\n");
    bench.must(&["apply", "--history", "both"]);
    bench.query(
        "DROP TABLE b; INSERT INTO flyway_schema_history
         VALUES (3, '2', 'b', 'DELETE', 'V2__b.sql', NULL, 'x', now(), 0, true)",
    );
    let shown = document(&bench.must(&["import", "-o", "json"]).stdout);
    assert_eq!(shown["takenBack"][0]["version"], "2", "{shown}");
    assert_eq!(own(&bench), ["1"]);
    bench.must(&["apply"]);
    assert_eq!(own(&bench), ["1", "2"]);
    bench.assert_sound();
}

#[test]
fn checksums_that_differ_are_shown_with_both_values() {
    let bench = Bench::new("drift");
    bench.file("V1__a.sql", "CREATE TABLE a (id int);\n");
    bench.must(&["apply", "--history", "both"]);
    // The file was edited, and accepted by `flyway repair`.
    bench.file("V1__a.sql", "CREATE TABLE a (id int); -- edited\n");
    let document_of = |words: &[&str]| document(&bench.run(words).stdout);
    let problem = document_of(&["import", "-o", "json"]);
    assert_eq!(problem["problems"][0]["code"], "CF2007", "{problem}");
    bench.query("UPDATE flyway_schema_history SET checksum = 7");
    let shown = document_of(&["import", "-o", "json"]);
    let drift = &shown["checksumDrift"][0];
    assert_eq!(drift["there"], "7", "{shown}");
    let here = drift["here"].as_str().unwrap().to_owned();
    bench.run(&["import", "--believe", "own"]);
    assert_eq!(bench.one("SELECT checksum FROM flyway_schema_history"), here);
    bench.query("UPDATE flyway_schema_history SET checksum = 7");
    bench.run(&["import", "--believe", "tool"]);
    assert_eq!(bench.one("SELECT checksum FROM cofferdam.history"), "7");
    bench.must(&["repair"]);
    bench.must(&["validate"]);
    assert_eq!(
        bench.one("SELECT f.checksum::text = h.checksum FROM flyway_schema_history f, cofferdam.history h"),
        "t"
    );
}

#[test]
fn a_repeatable_migration_that_ran_here_alone_is_newer_than_the_tools_last() {
    let bench = Bench::new("repeated");
    let view = |text: &str| format!("CREATE OR REPLACE VIEW v AS SELECT {text};\n");
    bench.file("V1__a.sql", "CREATE TABLE a (id int);\n").file("R__v.sql", &view("1 AS n"));
    bench.must(&["apply", "--history", "both"]);
    bench.file("R__v.sql", &view("1 AS n, 2 AS m"));
    bench.must(&["apply", "--history", "own"]);
    let asked = bench.run(&["import", "-o", "json"]);
    assert_eq!(asked.code, 9, "{}", asked.stderr);
    let shown = document(&asked.stdout);
    assert_eq!(shown["missingThere"].as_array().map(Vec::len), Some(1), "{shown}");
    assert_eq!(shown["missingHere"].as_array().map(Vec::len), Some(0), "{shown}");
    bench.must(&["import", "--believe", "own"]);
    // What ran here is in force, and nothing of it is pending again.
    let runs = bench.one("SELECT count(*) FROM cofferdam.run");
    bench.must(&["apply"]);
    assert_eq!(bench.one("SELECT count(*) FROM cofferdam.run"), runs);
    assert_eq!(own(&bench), ["1", "R:v", "R:v"]);
    let same = "SELECT f.checksum::text = h.checksum FROM
        (SELECT checksum FROM flyway_schema_history WHERE version IS NULL ORDER BY installed_rank DESC LIMIT 1) f,
        (SELECT checksum FROM cofferdam.history WHERE key = 'R:v' ORDER BY rank DESC LIMIT 1) h";
    assert_eq!(bench.one(same), "t");
    // The tool runs the first text again: now its word is the newer one.
    bench.query(
        "INSERT INTO flyway_schema_history SELECT 9, version, description, type, script, checksum, installed_by, now(),
         1, true FROM flyway_schema_history WHERE version IS NULL ORDER BY installed_rank LIMIT 1",
    );
    let shown = document(&bench.must(&["import", "-o", "json"]).stdout);
    assert_eq!(shown["missingHere"].as_array().map(Vec::len), Some(1), "{shown}");
    assert_eq!(own(&bench), ["1", "R:v", "R:v", "R:v"]);
    bench.assert_sound();
}

#[test]
fn a_late_file_is_named() {
    let bench = migrate("late");
    bench.must(&["apply"]);
    bench.query("UPDATE schema_migrations SET version = 9");
    bench.file("9_i.up.sql", "SELECT 9;\n").file("9_i.down.sql", "SELECT 9;\n");
    bench.must(&["import"]);
    bench.file("7_late.up.sql", "SELECT 7;\n").file("7_late.down.sql", "SELECT 7;\n");
    let shown = bench.run(&["import", "-o", "json"]);
    assert_eq!(document(&shown.stdout)["problems"][0]["code"], "CF2006", "{}", shown.stdout);
    let late = document(&shown.stdout)["late"][0].as_str().unwrap().to_owned();
    assert!(late.contains("7_late.up.sql") && late.contains("golang-migrate"), "{late}");
    bench.must(&["apply", "--out-of-order"]);
    assert_eq!(rows(&bench, "SELECT version, dirty FROM schema_migrations"), ["9 f"]);
    bench.assert_sound();
}

#[test]
fn two_tools_in_one_database_are_told_apart_or_asked_about() {
    let bench = goose("two");
    bench.query(FLYWAY);
    // The directory decides.
    bench.must(&["import"]);
    assert_eq!(own(&bench), ["00001", "00002"]);
    // That of neither.
    let bench = Bench::new("two_of_neither");
    bench.query(FLYWAY).len();
    bench.query(GOOSE);
    bench.file("1_a.up.sql", "CREATE TABLE a (id int);\n").file("1_a.down.sql", "DROP TABLE a;\n");
    let asked = bench.run(&["import"]);
    assert_eq!(asked.code, 2, "{}", asked.stderr);
    for part in ["error[CF3604]", "flyway_schema_history of flyway", "goose_db_version of goose", "--tool"] {
        assert!(asked.stderr.contains(part), "{part}: {}", asked.stderr);
    }
    bench.must(&["import", "--tool", "goose"]);
    // The same tool in two schemas, neither of which is that of the connection.
    let bench = Bench::new("two_schemas");
    for schema in ["one", "two"] {
        bench.query(&format!("CREATE SCHEMA {schema}; SET search_path = {schema}; {GOOSE}"));
    }
    bench.file("00001_a.sql", "-- +goose Up\nCREATE TABLE a(id int);\n");
    for command in ["import", "apply", "status"] {
        let asked = bench.run(&[command]);
        assert_eq!(asked.code, 2, "{command}: {}", asked.stderr);
        assert!(
            asked.stderr.contains("error[CF3408]") && asked.stderr.contains("--history-table one."),
            "{}",
            asked.stderr
        );
    }
    bench.must(&["apply", "--history-table", "two.goose_db_version"]);
    assert_eq!(bench.one("SELECT max(version_id) FROM two.goose_db_version"), "1");
    assert_eq!(bench.one("SELECT max(version_id) FROM one.goose_db_version"), "0");
}

#[test]
fn a_database_without_a_tool_has_nothing_to_take_over() {
    let bench = Bench::new("none");
    bench.file("V1__a.sql", "CREATE TABLE a (id int);\n");
    bench.query("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)");
    let none = bench.run(&["import"]);
    assert_eq!(none.code, 2, "{}", none.stderr);
    assert!(none.stderr.contains("alembic_version of Alembic"), "{}", none.stderr);
    let unknown = bench.run(&["import", "--tool", "gose"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("did you mean --tool goose?"), "{}", unknown.stderr);
}
