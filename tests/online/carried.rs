//! What belongs to a table comes along under its own name.

use crate::place::{Place, TABLE, WIDER};

/// Two tables of one name in two schemas, with constraints and indexes of the same names.
#[test]
fn trap_48_a_namesake_in_another_schema_is_left_alone() {
    let schema = "CREATE SCHEMA other; CREATE SCHEMA third;
        CREATE TABLE owner (id int PRIMARY KEY);
        CREATE TABLE other.owner (id int PRIMARY KEY);
        CREATE TABLE t (id int CONSTRAINT k PRIMARY KEY, n int CONSTRAINT c CHECK (n > 0), o int CONSTRAINT f REFERENCES owner,
            s text CONSTRAINT q UNIQUE);
        CREATE TABLE other.t (id int CONSTRAINT k PRIMARY KEY, n int CONSTRAINT c CHECK (n > 1), o int CONSTRAINT f REFERENCES other.owner,
            s text CONSTRAINT q UNIQUE);
        CREATE INDEX i ON t (n); CREATE INDEX i ON other.t (n);
        CREATE TABLE third.child (id int PRIMARY KEY, a int CONSTRAINT k1 REFERENCES t, b int CONSTRAINT k2 REFERENCES other.t);
        CREATE TABLE u (id int PRIMARY KEY, n int, o int, s text)";
    let place = Place::new("trap_48", schema);
    let original = place.dump();
    let clauses = "ALTER COLUMN id TYPE bigint, ADD COLUMN more int NOT NULL DEFAULT 3";
    let plain = place.plain(schema, clauses);
    place.query("INSERT INTO t SELECT i, i FROM generate_series(1, 500) i; INSERT INTO u SELECT i, i FROM generate_series(1, 500) i");
    place.query("INSERT INTO other.t SELECT i, i + 1 FROM generate_series(1, 50) i; INSERT INTO third.child VALUES (1, 1, 1)");
    place.must(&place.alter(clauses, &[]));
    assert_eq!(place.dump(), plain);
    place.same("after the swap");
    place.rollback();
    assert_eq!(place.dump(), original);
    place.must(&place.alter(clauses, &[]));
    place.finalize();
    assert_eq!(place.dump(), plain);
    assert_eq!(place.one("SELECT count(*) FROM other.t"), "50");
    place.nothing_left();
}

/// Every index has an entry for each row, also for rows that were written while it was built.
#[test]
fn trap_51_no_index_misses_an_entry() {
    let schema = format!(
        "{TABLE}; CREATE INDEX {{t}}_part ON {{t}} (note) WHERE n % 2 = 0; CREATE UNIQUE INDEX {{t}}_lower ON {{t}} (lower(tag));
         CREATE INDEX {{t}}_many ON {{t}} (n DESC NULLS LAST, note COLLATE \"C\") INCLUDE (tag)"
    );
    let place = Place::new("trap_51", &schema);
    for nth in 1..=4 {
        let held = place.held(&place.alter(WIDER, &[]), &format!("online.index.built@{nth}"));
        place.both(&format!(
            "UPDATE {{t}} SET note = 'built {nth}', n = n + 1, tag = upper(tag) || '{nth}' WHERE id % {} = 0",
            nth * 30
        ));
        held.kill();
    }
    place.must(&place.alter(WIDER, &[]));
    place.same("after the swap");
    place.both(
        "UPDATE {t} SET n = n + 1, note = 'later' WHERE id % 50 = 0; DELETE FROM {t} WHERE id % 130 = 0",
    );
    place.same("in the revert window");
    place.rollback();
    place.same("after the swap was taken back");
}
