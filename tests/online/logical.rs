//! Changed keys from the write-ahead log, and tables that a subscription writes to.

use crate::moments::Writes;
use crate::place::{ABORT, Place, TABLE, WIDER};
use crate::support::until;

pub const LOGICAL: &[(&str, &str)] =
    &[("wal_level", "logical"), ("max_replication_slots", "20"), ("max_wal_senders", "20")];

/// Values beside the table that an update does not touch are not in the log, and neither is what TRUNCATE removed.
#[test]
fn trap_52_what_the_write_ahead_log_does_not_say() {
    let schema = TABLE.replacen(
        "repeat('x', 900)",
        "(SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 90) j)",
        1,
    );
    let schema = schema.replacen("generate_series(1, 5000)", "generate_series(1, 2000)", 1);
    let writes = Writes {
        name: "trap_52",
        schema: &schema,
        clauses: WIDER,
        flags: &["--capture", "logical"],
        exclusive: false,
        writes: "UPDATE {t} SET note = 'seen {k}' WHERE id IN (10 * {k}, 19000 + 10 * {k});
            UPDATE {t} SET id = id + 5 WHERE id = 5000 + 10 * {k}; DELETE FROM {t} WHERE id = 7000 + 10 * {k};
            INSERT INTO {t} (id) VALUES (90000 + {k});",
    };
    let place = Place::alone("trap_52", LOGICAL, &schema);
    writes.at_every_moment(&place);
    let truncating = Writes {
        name: "trap_52_truncate",
        exclusive: true,
        writes: "TRUNCATE {t}; INSERT INTO {t} (id, note) SELECT i, '{k}' FROM generate_series({k}, 500) i;",
        ..writes
    };
    let place = Place::alone("trap_52_truncate", LOGICAL, &schema);
    truncating.at_every_moment(&place);
}

/// A slot keeps the server's log from being removed: none is left, however a change ends.
#[test]
fn trap_50_no_slot_is_left() {
    let place = Place::alone("trap_50", LOGICAL, TABLE);
    let slots = || place.one("SELECT count(*) FROM pg_replication_slots");
    for capture in ["rows", "logical"] {
        let flags = ["--capture", capture];
        place.must(&place.alter(WIDER, &flags));
        place.rollback();
        assert_eq!(slots(), "0", "{capture}: taken back");
        let held = place.held(&place.alter(WIDER, &flags), "online.copy.before-commit@2");
        held.kill();
        place.run(ABORT);
        assert_eq!(slots(), "0", "{capture}: killed and aborted");
        place.nothing_left();
        place.same("after it was aborted");
    }
    // The slot is being read when it is to go.
    for _ in 0..3 {
        let held = place.at_gate(WIDER, &["--capture", "logical"]);
        place.both("UPDATE {t} SET n = n + 1");
        place.must(ABORT);
        assert_eq!(held.end().code, 6, "given up, and nothing is left");
        assert_eq!(slots(), "0", "aborted while it was at work");
        place.nothing_left();
    }
    place.must(&place.alter(WIDER, &["--capture", "logical"]));
    place.finalize();
    assert_eq!(slots(), "0", "finished");
}

/// What a subscription applies fires no statement trigger, and a table with another identity is no longer the one
/// that the subscription knows: the change is refused, or what comes in goes on coming in.
#[test]
fn trap_55_a_table_that_a_subscription_writes_to() {
    let place = Place::alone("trap_55", LOGICAL, TABLE);
    let url = place.server().create_database("origin").unwrap();
    let origin = crate::place::App::open(&url);
    origin.run(&TABLE.replace("{t}", "t"));
    origin.run("CREATE PUBLICATION p FOR TABLE t");
    origin.run("SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
    let to =
        format!("host={} port={} user=postgres dbname=origin", place.server().host(), place.server().port());
    place.query(&format!(
        "CREATE SUBSCRIPTION s CONNECTION '{to}' PUBLICATION p WITH (create_slot = false, copy_data = false)"
    ));
    let arrives = |id: i64, when: &str| {
        origin.run(&format!("UPDATE t SET note = 'sent' WHERE id = {id}"));
        until(&format!("what is sent arrives {when}"), || {
            place.one(&format!("SELECT note FROM t WHERE id = {id}")) == "sent"
        });
    };
    arrives(10, "before");
    let ended = place.run(&place.alter(WIDER, &[]));
    if ended.code == 0 {
        arrives(20, "after the swap");
        place.rollback();
        arrives(30, "after the swap was taken back");
    } else {
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains("subscription"), "{}", ended.stderr);
        arrives(20, "after it was refused");
    }
    place.query("ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE)");
    place.query("DROP SUBSCRIPTION s");
}
