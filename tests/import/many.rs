//! Long histories.

use crate::support::Bench;
use crate::tool::{GOOSE, document};

#[test]
fn thousands_of_rows_are_taken_over_at_once() {
    let bench = Bench::new("many");
    for number in 1..=2000 {
        bench.file(&format!("{number:05}_x.sql"), "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n");
    }
    bench.query(GOOSE);
    bench.query("INSERT INTO goose_db_version (version_id, is_applied) SELECT n, true FROM generate_series(1, 1999) n");
    let taken = document(&bench.must(&["import", "-o", "json"]).stdout);
    assert_eq!(taken["missingHere"].as_array().map(Vec::len), Some(1999));
    assert_eq!(bench.one("SELECT count(*) FROM cofferdam.history"), "1999");
    assert_eq!(bench.one("SELECT bundle->'down'->>'path' IS NOT NULL FROM cofferdam.history LIMIT 1"), "t");
    assert_eq!(bench.one("SELECT count(*) FROM cofferdam.journal"), "1", "one row for all of it");
    bench.must(&["apply"]);
    assert_eq!(bench.one("SELECT max(version_id) FROM goose_db_version"), "2000");
    bench.assert_sound();
}
