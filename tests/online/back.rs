//! The swap back is as careful as the swap: what it would bring back is compared first.

use crate::place::{FINALIZE, Place, ROLLBACK, TABLE, WIDER};

/// Somebody, or a mistake of ours, changed the old table while it waited.
#[test]
fn the_tables_are_compared_before_they_are_swapped_back() {
    for (what, damage) in [
        ("a row is gone", "DELETE FROM {old} WHERE id = 25000"),
        ("a value differs", "UPDATE {old} SET note = 'damaged' WHERE id = 10"),
        ("a row is too many", "INSERT INTO {old} (id) VALUES (7)"),
        ("it is empty", "DELETE FROM {old}"),
    ] {
        let place = Place::new("back", TABLE);
        place.must(&place.alter(WIDER, &[]));
        place.both("UPDATE {t} SET note = 'since' WHERE id % 70 = 0; DELETE FROM {t} WHERE id % 170 = 0");
        let new = place.table();
        let old = place
            .one("SELECT format('%I.t', nspname) FROM pg_namespace WHERE nspname LIKE 'cofferdam\\_old\\_%'");
        place.query(&format!("ALTER TABLE {old} DISABLE TRIGGER ALL; {}", damage.replace("{old}", &old)));
        let refused = place.run(ROLLBACK);
        assert_ne!(refused.code, 0, "{what}");
        assert!(refused.stderr.contains("CF2603"), "{what}: {}", refused.stderr);
        assert_eq!(place.table(), new, "{what}: it was swapped back");
        place.same(what);
        place.both("UPDATE {t} SET note = 'still written' WHERE id = 40");
        place.must(FINALIZE);
        place.same(what);
        place.nothing_left();
    }
}

/// What the change converts differs in the two tables, in one way for rows that were there before the swap and in
/// another for those written since: that is no damage.
#[test]
fn what_a_change_converts_can_be_taken_back() {
    for (clauses, flags, written) in [
        ("ALTER COLUMN note TYPE varchar(40) USING upper(note)", &[][..], "note"),
        ("ALTER COLUMN n TYPE numeric(10,1) USING n / 7.0", &["--down", "n=n * 7"], "n"),
        ("ALTER COLUMN n TYPE text", &["--down", "n=n::int"], "n"),
        ("ADD COLUMN extra text DEFAULT 'x'", &[], "n"),
        ("DROP COLUMN n", &["--allow", "data-loss=\"not needed\""], "note"),
    ] {
        let place = Place::new("converted", TABLE);
        place.must(&place.alter(clauses, flags));
        place.query(&format!(
            "UPDATE t SET {written} = {} WHERE id % 70 = 0; DELETE FROM t WHERE id % 170 = 0;
             INSERT INTO t (id, note) VALUES (5, 'Both Cases')",
            if flags.contains(&"n=n * 7") { "11" } else { "'77'" }
        ));
        place.rollback();
        place.query(&format!(
            "UPDATE u SET {written} = '77' WHERE id % 70 = 0; DELETE FROM u WHERE id % 170 = 0;
             INSERT INTO u (id, note) VALUES (5, 'Both Cases')"
        ));
        place.same(clauses);
        place.nothing_left();
    }
}
