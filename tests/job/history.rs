//! `spec.migration.history`: where it is kept what is applied.

use serde_json::json;

use crate::pod::Pod;

const TABLE: &str = "SELECT to_regclass('flyway_schema_history') IS NOT NULL";
const ROWS: &str =
    "SELECT string_agg(version || ' ' || type, ', ' ORDER BY installed_rank) FROM flyway_schema_history";

/// A directory of Flyway, on an empty database.
fn flyway(name: &str, history: Option<&str>) -> Pod {
    let mut pod = Pod::new(name);
    pod.key("V1__a.sql", "CREATE TABLE a (id int);\n");
    pod.key("V2__b.sql", "CREATE TABLE b (id int);\n");
    pod.spec["migration"]["format"] = json!("flyway");
    if let Some(history) = history {
        pod.spec["migration"]["history"] = json!(history);
    }
    pod
}

#[test]
fn what_is_applied_is_kept_where_the_object_wants_it_and_taken_back_there() {
    for (name, history, own, theirs) in [
        ("kept_unsaid", None, true, false),
        ("kept_own", Some("own"), true, false),
        ("kept_tool", Some("tool"), false, true),
        ("kept_both", Some("both"), true, true),
    ] {
        let pod = flyway(name, history);
        pod.ends(&[], 0, "Succeeded", "MigrationComplete");
        assert_eq!(pod.applied(), if own { vec!["1", "2"] } else { vec![] }, "{name}");
        assert_eq!(pod.one(TABLE), if theirs { "t" } else { "f" }, "{name}");
        if theirs {
            assert_eq!(pod.one(ROWS), "1 SQL, 2 SQL", "{name}");
        }
        // Another Pod finds all of it applied.
        let again = pod.ends(&[], 0, "Succeeded", "MigrationComplete");
        assert!(again["runId"].is_null(), "{name}: {again:#}");
        pod.ends(&["--work", "rollback"], 0, "Succeeded", "RolledBack");
        assert_eq!(pod.one("SELECT to_regclass('a') IS NULL AND to_regclass('b') IS NULL"), "t", "{name}");
        if theirs {
            assert_eq!(pod.one(ROWS), "1 SQL, 2 SQL, 2 DELETE, 1 DELETE", "{name}");
        }
        pod.bench.assert_sound();
    }
}

/// The tool's table is there and knows of the first file: `own` looks away from it.
#[test]
fn own_leaves_the_table_of_the_tool_alone() {
    let pod = flyway("kept_alone", Some("own"));
    pod.bench.query(
        "CREATE TABLE flyway_schema_history (installed_rank integer NOT NULL PRIMARY KEY, version varchar(50),
             description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL,
             checksum integer, installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(),
             execution_time integer NOT NULL, success boolean NOT NULL);
         INSERT INTO flyway_schema_history VALUES (1, '1', 'a', 'SQL', 'V1__a.sql', NULL, 'x', now(), 1, true)",
    );
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(pod.applied(), ["1", "2"]);
    assert_eq!(pod.one(ROWS), "1 SQL");
    pod.bench.assert_sound();
}
