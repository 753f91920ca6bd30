//! Writes that other tools lose, each at every moment of a change.

use crate::moments::{Writes, at_every_moment};
use crate::place::TABLE;

/// A legal move of a unique value between two rows in one transaction.
#[test]
fn trap_18_a_unique_value_moves_between_rows() {
    at_every_moment(&Writes::of(
        "trap_18",
        "UPDATE {t} SET tag = NULL WHERE id = 20 * {k};
         UPDATE {t} SET tag = 'tag ' || (2 * {k}) WHERE id = 20 * {k} + 10;
         UPDATE {t} SET tag = 'between {k}' WHERE id = 40000 + 20 * {k};
         UPDATE {t} SET tag = 'tag ' || (4000 + 2 * {k}) WHERE id = 40020 + 20 * {k} - 10;",
    ));
}

/// The same while the new table has a column more, of which the old one cannot say what is in it.
#[test]
fn trap_18_a_unique_value_moves_between_rows_with_a_column_more() {
    let writes = Writes::of(
        "trap_18_more",
        "UPDATE {t} SET tag = NULL WHERE id = 20 * {k};
         UPDATE {t} SET tag = 'tag ' || (2 * {k}) WHERE id = 20 * {k} + 10;
         UPDATE {t} SET tag = 'x' WHERE id = 20 * {k} + 2000; UPDATE {t} SET tag = 'y' WHERE id = 20 * {k} + 4000;
         UPDATE {t} SET tag = NULL WHERE tag = 'x'; UPDATE {t} SET tag = 'x' WHERE tag = 'y';
         UPDATE {t} SET tag = 'y' WHERE id = 20 * {k} + 2000; UPDATE {t} SET tag = tag || {k} WHERE tag IN ('x', 'y');",
    );
    at_every_moment(&Writes { clauses: "ADD COLUMN more int NOT NULL DEFAULT 3", ..writes });
}

/// The key of a row that is not copied yet becomes one that is, and the other way round.
#[test]
fn trap_19_a_key_changes_before_its_row_is_copied() {
    at_every_moment(&Writes::of(
        "trap_19",
        "UPDATE {t} SET id = {k} WHERE id = 50000 - 10 * {k};
         UPDATE {t} SET id = 50000 + {k} WHERE id = 10 * {k};
         UPDATE {t} SET id = -{k} WHERE id = 30000 + 10 * {k}; UPDATE {t} SET id = 30000 + 10 * {k} WHERE id = 30005 - 10 * {k} - 5;
         UPDATE {t} SET id = 30000 - 10 * {k} WHERE id = -{k};",
    ));
}

/// An upsert that inserts nothing, one that updates, and one that inserts.
#[test]
fn trap_34_an_upsert_that_inserts_nothing() {
    at_every_moment(&Writes::of(
        "trap_34",
        "INSERT INTO {t} (id, note) VALUES (10 * {k}, 'not there') ON CONFLICT DO NOTHING;
         INSERT INTO {t} (id, tag) VALUES (60000 + {k}, 'tag 4000') ON CONFLICT (tag) DO NOTHING;
         INSERT INTO {t} (id, note) VALUES (1000 + 10 * {k}, 'upserted {k}') ON CONFLICT (id) DO UPDATE SET note = EXCLUDED.note;
         INSERT INTO {t} (id, note) VALUES (70000 + {k}, 'new') ON CONFLICT (id) DO UPDATE SET note = EXCLUDED.note;",
    ));
}

#[test]
fn trap_44_an_update_to_null() {
    at_every_moment(&Writes::of(
        "trap_44",
        "UPDATE {t} SET note = NULL WHERE id IN (10 * {k}, 25000 + 10 * {k}); UPDATE {t} SET note = '' WHERE id = 500 + 10 * {k};
         UPDATE {t} SET tag = NULL, pad = NULL WHERE id = 49000 + 20 * {k};",
    ));
}

/// Both columns of a constraint change in one statement: whoever sees them one by one sees what never was.
#[test]
fn trap_49_a_constraint_over_two_columns_that_change_together() {
    let schema = TABLE.replacen(
        "pad text);",
        "pad text, low int DEFAULT 1, high int DEFAULT 2, CONSTRAINT {t}_span CHECK (low < high));",
        1,
    );
    at_every_moment(&Writes {
        name: "trap_49",
        schema: &schema,
        clauses: "ALTER COLUMN low TYPE bigint, ALTER COLUMN high TYPE bigint",
        flags: &[],
        exclusive: false,
        writes: "UPDATE {t} SET low = low + 10 * {k}, high = high + 10 * {k} WHERE id % 70 = 0;
                 UPDATE {t} SET low = -high, high = -low WHERE id % 110 = 0;",
    });
}

/// What is deleted and inserted again, copied in, merged, cascaded: in every form that a row can be written.
#[test]
fn every_form_of_write() {
    let schema = "CREATE TABLE owner_{t} (id int PRIMARY KEY);
        INSERT INTO owner_{t} SELECT generate_series(1, 40);
        CREATE TABLE {t} (id int PRIMARY KEY, tag text UNIQUE, note text, n int NOT NULL DEFAULT 0, pad text,
            owner int REFERENCES owner_{t} ON UPDATE CASCADE ON DELETE CASCADE);
        INSERT INTO {t} SELECT i * 10, 'tag ' || i, 'note', i, repeat('x', 900), i % 20 + 1 FROM generate_series(1, 4000) i";
    at_every_moment(&Writes {
        name: "every_form",
        schema,
        clauses: "ALTER COLUMN id TYPE bigint",
        flags: &[],
        exclusive: false,
        writes: "DELETE FROM {t} WHERE id = 100 * {k}; INSERT INTO {t} (id, note) VALUES (100 * {k}, 'again {k}');
            INSERT INTO {t} (id) VALUES (90000 + {k}); DELETE FROM {t} WHERE id = 90000 + {k};
            MERGE INTO {t} USING (SELECT 15000 + 10 * {k} AS id UNION SELECT 80000 + {k}) s ON {t}.id = s.id
              WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, note) VALUES (s.id, 'merged');
            UPDATE owner_{t} SET id = 100 + {k} WHERE id = {k}; DELETE FROM owner_{t} WHERE id = 100 + {k} AND {k} % 3 = 0;
            UPDATE {t} SET n = n + 1, note = note || {k} WHERE id % 40 = 0;
            DELETE FROM {t} WHERE id % 7000 = {k} * 10;",
    });
}

/// TRUNCATE takes rows away without a trigger for any of them.
#[test]
fn truncate_at_every_moment() {
    let writes = Writes::of(
        "truncated",
        "TRUNCATE {t}; INSERT INTO {t} (id, tag, note, pad)
         SELECT i, 'tag ' || i, 'after {k}', repeat('x', 900) FROM generate_series({k}, 4000) i;",
    );
    at_every_moment(&Writes { exclusive: true, ..writes });
}

/// Sessions that say they are replicas fire no usual triggers.
#[test]
fn trap_55_writes_of_a_session_that_says_it_is_a_replica() {
    at_every_moment(&Writes::of(
        "trap_55",
        "SET session_replication_role = replica; UPDATE {t} SET note = 'replica {k}' WHERE id IN (10 * {k}, 40000 + 10 * {k});
         DELETE FROM {t} WHERE id = 20000 + 10 * {k}; INSERT INTO {t} (id) VALUES (77000 + {k});
         SET session_replication_role = origin;",
    ));
}

/// Rows that a foreign key leads from are deleted, and then what it leads to: nothing of the change may hold that up.
#[test]
fn trap_54_a_parent_that_is_deleted_while_the_shadow_still_has_its_child() {
    let schema = "CREATE TABLE parent_{t} (id int PRIMARY KEY);
        INSERT INTO parent_{t} SELECT generate_series(1, 100);
        CREATE TABLE {t} (id int PRIMARY KEY, parent int REFERENCES parent_{t}, pad text);
        INSERT INTO {t} SELECT i * 10, i % 100 + 1, repeat('x', 900) FROM generate_series(1, 5000) i;
        CREATE TABLE child_{t} (id int PRIMARY KEY, of int REFERENCES {t});
        INSERT INTO child_{t} SELECT i, i * 10 FROM generate_series(1, 100) i";
    at_every_moment(&Writes {
        name: "trap_54",
        schema,
        clauses: "ALTER COLUMN id TYPE bigint",
        flags: &[],
        exclusive: false,
        writes: "DELETE FROM child_{t} WHERE of IN (SELECT id FROM {t} WHERE parent = {k});
            DELETE FROM {t} WHERE parent = {k}; DELETE FROM parent_{t} WHERE id = {k};
            INSERT INTO child_{t} SELECT 1000 + {k}, max(id) FROM {t}",
    });
}
