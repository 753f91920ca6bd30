//! What holds a change back before it begins, what is compared before a swap, and what is looked at afterwards: the
//! real program on a real server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(unreachable_pub, dead_code, reason = "nothing of a test is seen from outside")]

#[path = "../support/mod.rs"]
mod support;

mod approvals;
mod checks;
mod integrity;

use support::{Bench, Ended, ended};

/// A database with a table, and a migration of it.
fn bench(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.query("CREATE TABLE orders (id int PRIMARY KEY, note text); INSERT INTO orders VALUES (1, 'a')");
    bench.file("V1__state.sql", "ALTER TABLE orders ADD COLUMN state text;\n");
    bench
}

/// The command as this person runs it.
fn as_user(bench: &Bench, user: &str, arguments: &[&str]) -> Ended {
    ended(bench.command(arguments).env("USER", user))
}

/// It was refused with this code, and nothing at all is there that was not before.
fn refused(bench: &Bench, ended: &Ended, exit: i32, code: &str) {
    assert_eq!(ended.code, exit, "{}\n{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains(code), "{code}: {}", ended.stderr);
    assert!(ended.stderr.contains("help: "), "{}", ended.stderr);
    assert_eq!(columns(bench), "id,note");
}

fn columns(bench: &Bench) -> String {
    bench.one(
        "SELECT string_agg(attname::text, ',' ORDER BY attnum) FROM pg_attribute
         WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped",
    )
}

fn installed(bench: &Bench) -> bool {
    bench.one("SELECT count(*) FROM pg_namespace WHERE nspname = 'cofferdam'") == "1"
}
