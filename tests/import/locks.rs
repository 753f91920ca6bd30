//! The tool and Cofferdam never work at once, and the tool never begins in the middle of what Cofferdam began.

use crate::support::Bench;
use crate::tool::{goose, migrate, rows};

/// A session that holds the lock with which golang-migrate keeps others away.
#[test]
fn a_tool_at_work_is_waited_for_and_named() {
    let bench = migrate("locked");
    let name = format!("public\0schema_migrations\0{}", bench.database);
    let key = i64::from(crc32(name.as_bytes()).wrapping_mul(1_486_364_155));
    let holder = Holder::take(&bench, key);
    let refused = bench.run(&["apply", "--lock-wait", "300ms"]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("error[CF3603]"), "{}", refused.stderr);
    assert_eq!(rows(&bench, "SELECT version FROM schema_migrations"), ["2"]);
    drop(holder);
    bench.must(&["apply"]);
    let held = format!("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid::bigint = {key}");
    crate::support::until("the lock is given back", || bench.one(&held) == "0");
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// A session that keeps everybody from reading the tool's table, as a tool does that empties or alters it.
#[test]
fn a_table_that_is_locked_is_a_tool_at_work() {
    for (name, there) in [("table_locked", false), ("table_locked_later", true)] {
        let bench = goose(name);
        if there {
            bench.must(&["import"]);
        }
        let holder = Holder::sit(
            &bench,
            "BEGIN; LOCK goose_db_version IN ACCESS EXCLUSIVE MODE",
            "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted
               AND relation = 'goose_db_version'::regclass",
        );
        for command in [&["apply"][..], &["status"], &["import"]] {
            let refused = bench.run(command);
            assert_eq!(refused.code, 5, "{command:?}\n{}", refused.stderr);
            assert!(refused.stderr.contains("error[CF3603]"), "{command:?}\n{}", refused.stderr);
            for part in ["goose_db_version is locked by", "pg_terminate_backend("] {
                assert!(refused.stderr.contains(part), "{command:?}\n{}", refused.stderr);
            }
        }
        drop(holder);
        bench.must(&["apply"]);
        assert_eq!(rows(&bench, "SELECT count(*) FROM goose_db_version"), ["4"]);
        bench.assert_sound();
    }
}

/// psql, which sits in a session of its own until it is dropped.
struct Holder<'b>(std::process::Child, &'b Bench);

impl<'b> Holder<'b> {
    fn take(bench: &'b Bench, key: i64) -> Self {
        let taken = format!(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid::bigint = {key}"
        );
        Self::sit(bench, &format!("SELECT pg_advisory_lock({key})"), &taken)
    }

    /// Does this and sits on it; `taken` counts what it then has.
    fn sit(bench: &'b Bench, sql: &str, taken: &str) -> Self {
        let child = std::process::Command::new(crate::support::program("psql"))
            .args(["-c", sql, "-c", "SELECT pg_sleep(600)", &bench.url])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        crate::support::until("the lock is held", || bench.one(taken) != "0");
        Self(child, bench)
    }
}

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        self.1.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%'
                      AND pid <> pg_backend_pid() AND datname = current_database()",
        );
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_mark_is_dirty_while_more_than_one_transaction_is_at_work() {
    let bench = migrate("marked");
    bench.must(&["apply"]);
    bench.query("INSERT INTO a SELECT 1 FROM generate_series(1, 2)");
    bench
        .file("4_d.up.sql", "CREATE UNIQUE INDEX CONCURRENTLY ua ON a (id);\n")
        .file("4_d.down.sql", "DROP INDEX CONCURRENTLY ua;\n");
    // The trigger writes down how the mark was moved.
    bench.query(
        "CREATE TABLE moves (n serial, version bigint, dirty boolean);
         CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO moves (version, dirty) VALUES (NEW.version, NEW.dirty); RETURN NULL; END $$;
         CREATE TRIGGER moved AFTER INSERT OR UPDATE ON schema_migrations FOR EACH ROW EXECUTE FUNCTION moved()",
    );
    let failed = bench.run(&["apply", "--allow", "unique-duplicates=it is to fail"]);
    assert_ne!(failed.code, 0, "two rows are alike");
    let moves = "SELECT version, dirty FROM moves ORDER BY n";
    assert_eq!(rows(&bench, moves), ["4 t", "3 f"], "{}", failed.stderr);
    bench.query("DELETE FROM a; TRUNCATE moves");
    bench.must(&["apply"]);
    assert_eq!(rows(&bench, moves), ["4 t", "4 f"]);
    assert_eq!(rows(&bench, "SELECT version, dirty FROM schema_migrations"), ["4 f"]);
    bench.assert_sound();
}
