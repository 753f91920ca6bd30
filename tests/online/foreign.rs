//! Others who change the table's definition meanwhile, servers that crash, and tables that need another way.

use crate::place::{ABORT, Place, ROLLBACK, TABLE, WIDER};
use crate::support::each;

/// What somebody else does to the table while it is being changed.
const DEFINITIONS: &[(&str, &str)] = &[
    ("column_more", "ALTER TABLE t ADD COLUMN theirs int DEFAULT 5"),
    ("column_less", "ALTER TABLE t DROP COLUMN pad"),
    ("column_renamed", "ALTER TABLE t RENAME COLUMN note TO remark"),
    ("type", "ALTER TABLE t ALTER COLUMN n TYPE bigint"),
    ("default", "ALTER TABLE t ALTER COLUMN n SET DEFAULT 9"),
    ("not_null", "ALTER TABLE t ALTER COLUMN note SET NOT NULL"),
    ("index", "CREATE INDEX theirs ON t (note)"),
    ("index_gone", "DROP INDEX t_n_idx"),
    ("constraint", "ALTER TABLE t ADD CONSTRAINT theirs CHECK (n > -1000000)"),
    (
        "trigger",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER theirs BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
    ),
    ("policy", "CREATE POLICY theirs ON t USING (true)"),
    ("row_security", "ALTER TABLE t ENABLE ROW LEVEL SECURITY"),
    ("grant", "GRANT SELECT ON t TO PUBLIC"),
    ("comment", "COMMENT ON COLUMN t.note IS 'theirs'"),
    ("storage", "ALTER TABLE t SET (fillfactor = 70)"),
    ("rewritten", "CLUSTER t USING t_pkey"),
    ("rule", "CREATE RULE theirs AS ON DELETE TO t WHERE OLD.id < 0 DO INSTEAD NOTHING"),
    ("foreign_key", "CREATE TABLE theirs (id int REFERENCES t)"),
    ("view", "CREATE VIEW theirs AS SELECT id, note FROM t"),
    ("capture_off", "ALTER TABLE t DISABLE TRIGGER USER"),
];

/// Somebody else changes the table's definition before the swap: the change stops, or carries it over; what they
/// did is kept, and no row is lost.
#[test]
fn trap_37_somebody_else_changes_the_definition() {
    each(
        DEFINITIONS,
        |(name, _)| (*name).to_owned(),
        |(name, sql)| {
            let place = Place::new(&format!("trap_37_{name}"), TABLE);
            let held = place.at_gate(WIDER, &[]);
            place.query(sql);
            let theirs = place.dump();
            // They go on writing to the columns that are there still.
            place.query("UPDATE t SET n = -n WHERE id < 500; UPDATE t SET n = abs(n)");
            let count = place.one("SELECT count(*) || ' ' || sum(n) || ' ' || sum(id) FROM t");
            let ended = place.cutover(held);
            let really = place.one("SELECT count(*) || ' ' || sum(n) || ' ' || sum(id) FROM t");
            assert_eq!(really, count);
            if ended.code == 0 {
                // Carried over: the plain ALTER after it would give the same.
                place.must(ROLLBACK);
                assert_eq!(place.dump(), theirs, "after the swap was taken back");
                return;
            }
            assert_eq!(ended.code, 6, "{}", ended.stderr);
            assert!(ended.stderr.contains("CF2602"), "{}", ended.stderr);
            assert_eq!(place.dump(), theirs);
            place.nothing_left();
            let really = place.one("SELECT count(*) || ' ' || sum(n) || ' ' || sum(id) FROM t");
            assert_eq!(really, count);
        },
    );
}

/// The table is given another name, or another schema, or is gone.
#[test]
fn trap_37_somebody_else_takes_the_table_away() {
    let cases = [
        ("renamed", "ALTER TABLE t RENAME TO away", "away"),
        ("moved", "ALTER TABLE t SET SCHEMA other", "other.t"),
    ];
    each(
        &cases,
        |(name, _, _)| (*name).to_owned(),
        |(name, sql, now)| {
            let place = Place::new(&format!("trap_37_{name}"), TABLE);
            place.query("CREATE SCHEMA other");
            let held = place.at_gate(WIDER, &[]);
            place.query(sql);
            // It may have noticed by itself.
            place.run(&["cutover", "t"]);
            let ended = held.end();
            assert_ne!(ended.code, 0);
            assert_eq!(place.one(&format!("SELECT count(*) FROM {now}")), "5000");
            // Whatever is left can be removed, and nobody's writes fail meanwhile.
            place.query(&format!("UPDATE {now} SET note = 'x' WHERE id = 10"));
            place.run(ABORT);
            place.query(&format!("UPDATE {now} SET note = 'y' WHERE id = 10"));
        },
    );
}

/// The server crashes with keys in the log: they are there afterwards.
#[test]
fn trap_35_the_log_outlives_a_crash_of_the_server() {
    let mut place = Place::alone("trap_35", &[], TABLE);
    for moment in ["online.copy.before-commit@2", "online.index.built", "online.compare.before-commit"] {
        let held = place.held(&place.alter(WIDER, &[]), moment);
        place.both(&format!("UPDATE {{t}} SET note = '{moment}' WHERE id % 90 = 0; DELETE FROM {{t}} WHERE id = (SELECT min(id) FROM {{t}})"));
        place.crash();
        held.kill();
    }
    place.must(&place.alter(WIDER, &[]));
    place.same("after the swap");
    place.both("UPDATE {t} SET note = 'in the revert window' WHERE id % 110 = 0");
    place.crash();
    place.rollback();
    place.same("after the swap was taken back");
}

/// A table that is not logged stays so, or is refused.
#[test]
fn trap_35_an_unlogged_table() {
    let place = Place::new("trap_35_unlogged", &TABLE.replacen("CREATE TABLE", "CREATE UNLOGGED TABLE", 1));
    let ended = place.run(&place.alter(WIDER, &[]));
    if ended.code == 0 {
        assert_eq!(place.one("SELECT relpersistence FROM pg_class WHERE oid = 't'::regclass"), "u");
    } else {
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        place.nothing_left();
    }
    place.same("at the end");
}

/// The tables change places by their schemas; where a table's rows lie is never touched.
#[test]
fn trap_36_files_of_a_table_stay_its_own() {
    let place = Place::new("trap_36", TABLE);
    let file = |name: &str| {
        place.one(&format!("SELECT oid || ' ' || relfilenode || ' ' || reltoastrelid FROM pg_class WHERE oid = '{name}'::regclass"))
    };
    let before = file("t");
    place.must(&place.alter(WIDER, &[]));
    let old = place
        .one("SELECT format('%I.t', nspname) FROM pg_namespace WHERE nspname LIKE 'cofferdam\\_old\\_%'");
    assert_eq!(file(&old), before);
    place.query("VACUUM t");
    place.query(&format!("VACUUM {old}"));
    place.both("UPDATE {t} SET note = 'new' WHERE id % 30 = 0");
    place.rollback();
    assert_eq!(file("t"), before);
    place.query("VACUUM t");
    place.same("after the swap was taken back");
}

/// A partition, and the table that it is of, are changed as a whole, or refused with the reason.
#[test]
fn trap_55_a_partition_that_is_written_to_through_its_parent() {
    let schema = "CREATE TABLE {t} (id int, n int) PARTITION BY RANGE (id);
        CREATE TABLE {t}_low PARTITION OF {t} FOR VALUES FROM (0) TO (1000);
        CREATE TABLE {t}_high PARTITION OF {t} FOR VALUES FROM (1000) TO (9000);
        ALTER TABLE {t} ADD PRIMARY KEY (id);
        INSERT INTO {t} SELECT i, i FROM generate_series(1, 3000) i";
    let place = Place::new("trap_55_partition", schema);
    let before = place.dump();
    for (table, clauses) in
        [("t", "ALTER COLUMN n TYPE bigint"), ("t_low", "ADD CONSTRAINT small CHECK (n < 5000)")]
    {
        let ended = place.run(&["alter", "--table", table, "--strategy", "shadow-table", "--yes", clauses]);
        if ended.code == 0 {
            place.both("UPDATE {t} SET n = n + 1 WHERE id % 7 = 0");
            place.same(table);
            continue;
        }
        assert_eq!(ended.code, 2, "{table}: {}", ended.stderr);
        assert!(ended.stderr.contains("partition"), "{table}: {}", ended.stderr);
        place.nothing_left();
        assert_eq!(place.dump(), before);
    }
}
