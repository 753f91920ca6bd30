//! A real PgBouncer between us and the server. In transaction and in statement mode it is refused before anything
//! is written; in session mode everything works.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

#[path = "../support/mod.rs"]
mod support;

mod bouncer;

use bouncer::{Bouncer, Mode};
use support::{Bench, Ended, ended, server, until};

fn bench() -> Bench {
    let bench = Bench::new("pooled");
    bench
        .file("V1__a.sql", "CREATE TABLE a (id int);\nINSERT INTO a SELECT generate_series(1, 100);\n")
        .file("V2__index.sql", "CREATE INDEX ON a (id);\n")
        .file("V3__not_null.sql", "ALTER TABLE a ALTER COLUMN id SET NOT NULL;\n");
    bench
}

fn through(bench: &Bench, bouncer: &Bouncer, arguments: &[&str]) -> Ended {
    ended(bench.command(arguments).env("COFFERDAM_URL", bouncer.url(&bench.database)))
}

/// Locks that a pooled session of the server holds, which would outlive us.
fn locks_left(bench: &Bench) -> String {
    bench.one(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
}

fn refused(test: &str, mode: Mode) {
    let Some(bouncer) = Bouncer::start(test, mode) else { return };
    let bench = bench();
    let before = bench.dump();
    // Several times: which connection gets which of the pooled sessions is chance.
    for size in [5, 2, 1] {
        let Some(bouncer) = Bouncer::sized(test, mode, size) else { return };
        for _ in 0..3 {
            let done = through(&bench, &bouncer, &["apply"]);
            assert_eq!(done.code, 1, "pool of {size}: {}", done.stderr);
            assert!(done.stderr.contains("error[CF2209]"), "pool of {size}: {}", done.stderr);
            assert!(done.stderr.contains("help: "), "{}", done.stderr);
            assert_eq!(locks_left(&bench), "0", "pool of {size}");
        }
    }
    assert_eq!(bench.dump(), before);
    assert_eq!(bench.one("SELECT to_regnamespace('cofferdam') IS NULL"), "t", "nothing was written");
    // What it is told to do instead works, and the pooler is refused for the way back too.
    bench.must(&["apply"]);
    let applied = bench.dump();
    let back = through(&bench, &bouncer, &["rollback", "--yes"]);
    assert!(back.code == 1 && back.stderr.contains("error[CF2209]"), "{}", back.stderr);
    assert_eq!(bench.dump(), applied);
    assert_eq!(locks_left(&bench), "0");
    bench.assert_sound();
}

#[test]
fn transaction_mode_is_refused() {
    refused("transaction_mode_is_refused", Mode::Transaction);
}

#[test]
fn statement_mode_is_refused() {
    refused("statement_mode_is_refused", Mode::Statement);
}

#[test]
fn session_mode_works() {
    let Some(bouncer) = Bouncer::start("session_mode_works", Mode::Session) else { return };
    let bench = bench();
    let empty = bench.dump();
    for arguments in [&["plan"][..], &["apply"], &["status"], &["verify"]] {
        let done = through(&bench, &bouncer, arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.stderr);
    }
    assert_eq!(bench.history().len(), 3);
    assert_eq!(bench.one("SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass AND indisvalid"), "1");
    let nothing = through(&bench, &bouncer, &["apply"]);
    assert!(nothing.code == 0 && nothing.stdout.contains("nothing to do"), "{}", nothing.stderr);
    let back = through(&bench, &bouncer, &["rollback", "--to", "0", "--yes"]);
    assert_eq!(back.code, 0, "{}", back.stderr);
    assert_eq!(bench.dump(), empty);
    // A session that goes back to the pool holds nothing of ours, once PgBouncer has seen that we are gone.
    until("nothing of ours is held", || locks_left(&bench) == "0");
    bench.assert_sound();
    assert!(server().pid().is_some());
}
