//! Case 45: the connection breaks after each single protocol message of a migration; the same command, run again over a
//! whole connection, ends right, and nothing was done twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod cut;

use std::sync::atomic::{AtomicUsize, Ordering};

use cut::Proxy;
use support::{Bench, ended, server};

/// One transaction, and one statement outside of any, on a table that is there.
fn bench() -> Bench {
    let bench = Bench::new("cut");
    bench
        .file(
            "V1__ledger.sql",
            "CREATE TABLE ledger (what text);\nCREATE TABLE t (id int PRIMARY KEY, a int);\n
             INSERT INTO t SELECT n, n FROM generate_series(1, 100) n;",
        )
        .file("V2__together.sql", "INSERT INTO ledger VALUES ('two');\nALTER TABLE t ADD COLUMN b int;")
        .file("V3__index.sql", "CREATE INDEX t_a_idx ON t (a);");
    bench
}

/// The objects that the migrations make, by the catalog: a dump for each of some hundred cuts would take minutes.
const OBJECTS: &str =
    "SELECT relname::text, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT conname::text, pg_get_constraintdef(oid) || convalidated::text FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2";

#[derive(Debug, PartialEq)]
struct State {
    objects: Vec<Vec<String>>,
    history: Vec<(String, String)>,
    executions: String,
    invalid: String,
}

fn state(bench: &Bench) -> State {
    State {
        objects: bench.query(OBJECTS),
        history: bench.history(),
        executions: bench.one("SELECT count(*) FROM ledger"),
        invalid: bench.one("SELECT count(*) FROM pg_index WHERE NOT indisvalid"),
    }
}

fn through(bench: &Bench, proxy: &Proxy) -> support::Ended {
    let url = bench.url.replace(&format!(":{}/", server().port()), &format!(":{}/", proxy.port));
    assert_ne!(url, bench.url, "the URL names the port");
    ended(bench.command(&["apply"]).env("COFFERDAM_URL", url))
}

#[test]
fn cut_after_every_message() {
    let whole = bench();
    whole.must(&["apply", "--to", "1"]);
    let proxy = Proxy::start(server().port(), 0);
    let ended = through(&whole, &proxy);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let expected = state(&whole);
    let messages = proxy.passed();
    println!("{messages} messages");
    assert!(messages > 60, "only {messages} messages passed: is the proxy in between?");

    let next = AtomicUsize::new(1);
    let cuts = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                let bench = bench();
                loop {
                    let after = next.fetch_add(1, Ordering::SeqCst);
                    if after > messages {
                        return;
                    }
                    bench.clear();
                    bench.must(&["apply", "--to", "1"]);
                    let proxy = Proxy::start(server().port(), after);
                    let cut = through(&bench, &proxy);
                    if proxy.was_cut() {
                        cuts.fetch_add(1, Ordering::SeqCst);
                    } else {
                        assert_eq!(cut.code, 0, "{after}: {}", cut.stderr);
                    }
                    let again = bench.run(&["apply", "--lock-wait", "30s"]);
                    assert_eq!(again.code, 0, "{after}\nfirst: {}\nthen: {}", cut.stderr, again.stderr);
                    assert_eq!(state(&bench), expected, "cut after message {after}");
                    assert_eq!(bench.one("SELECT count(*) FROM cofferdam.run WHERE ended_at IS NULL"), "0");
                }
            });
        }
    });
    assert!(cuts.load(Ordering::SeqCst) > messages / 2, "too few of the cuts happened");
}
