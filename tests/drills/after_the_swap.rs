//! A change after which the application's statements are slower.

use crate::place::{Place, TABLE, WIDER};
use crate::writer::Writer;

/// Of the two functions the server takes the one for the column's type: after the change it is the slow one.
const COST: &str = "CREATE EXTENSION pg_stat_statements;
 CREATE FUNCTION cost(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
 CREATE FUNCTION cost(bigint) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.03); RETURN 1; END'";
const READ: &str = "SELECT cost(id) FROM t WHERE id = 30";

#[test]
fn a_change_that_slows_statements_down_is_swapped_back() {
    let settings = [("shared_preload_libraries", "pg_stat_statements")];
    let place = Place::alone("slows", &settings, TABLE);
    place.query(COST);
    let app = place.app();
    for _ in 0..200 {
        app.run(READ);
    }
    let writer = Writer::begin(&place, READ);
    let ended = place.run(&place.alter(WIDER, &["--bake", "120s", "--max-slowdown", "4"]));
    assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
    for words in ["CF3003", "maxSlowdown 4: ", "times as long as before"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert_eq!(place.one("SELECT pg_typeof(id) FROM t LIMIT 1"), "integer");
    writer.nothing_lost(&place);
    place.nothing_left();
}

/// The same change with nothing slow about it stays, and says what was measured.
#[test]
fn a_healthy_change_stays_swapped() {
    let settings = [("shared_preload_libraries", "pg_stat_statements")];
    let place = Place::alone("healthy", &settings, TABLE);
    place.query("CREATE EXTENSION pg_stat_statements");
    let app = place.app();
    for _ in 0..200 {
        app.run("SELECT note FROM t WHERE id = 30");
    }
    let writer = Writer::begin(&place, "SELECT note FROM t WHERE id = 30");
    let limits =
        ["--bake", "3s", "--max-slowdown", "1000", "--max-downtime", "20s", "--max-lag", "60s", "-o", "json"];
    let ended = place.must(&place.alter(WIDER, &limits));
    for words in ["\"guard\"", "\"downtime\"", "\"longestMs\"", "\"lagMs\""] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
    assert_eq!(place.one("SELECT pg_typeof(id) FROM t LIMIT 1"), "bigint");
    place.finalize();
    writer.nothing_lost(&place);
}
