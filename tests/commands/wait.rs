//! `wait`, as an init container runs it: with the Secret of the database and nothing else.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::support::{Bench, Ended, ended, wait};

fn bench() -> Bench {
    let bench = Bench::new("wait");
    bench
        .file("V1__orders.sql", "CREATE TABLE orders (id int PRIMARY KEY);")
        .file("V2__note.sql", "ALTER TABLE orders ADD COLUMN note text;")
        .file("U2__note.sql", "ALTER TABLE orders DROP COLUMN note;");
    bench
}

/// One that waits, and has said what for.
fn waiting(bench: &Bench, arguments: &[&str]) -> (Child, String) {
    let mut child = bench.command(arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut said).unwrap();
    (child, said)
}

#[test]
fn a_version_is_waited_for() {
    let bench = bench();
    bench.must(&["apply", "--to", "1"]);
    let (child, said) = waiting(&bench, &["wait", "--to", "2"]);
    assert_eq!(said, "waiting: version 2 is not applied; the database is at 1\n");
    // Its connection is lost while it waits.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
               AND application_name LIKE 'cofferdam wait%'";
    crate::support::until("its session is there and gone", || bench.one(cut) == "t");
    bench.must(&["apply"]);
    assert_eq!(wait(child).code, 0);
    assert_eq!(bench.run(&["wait", "--to", "2", "--timeout", "20s"]).code, 0);
    // Taken back it is not there any more, and nobody is let through.
    bench.must(&["rollback", "--steps", "1", "--yes"]);
    let Ended { code, stderr, .. } = bench.run(&["wait", "--to", "2", "--timeout", "8s"]);
    assert_eq!(code, 124, "{stderr}");
    assert!(stderr.contains("version 2 is not applied; the database is at 1"), "{stderr}");
    assert_eq!(bench.run(&["wait", "--to", "1"]).code, 0);
}

#[test]
fn all_that_is_pending_is_waited_for() {
    let bench = bench();
    let (child, said) = waiting(&bench, &["wait", "--applied"]);
    assert_eq!(said, "waiting: 2 migrations pending\n");
    bench.must(&["apply"]);
    assert_eq!(wait(child).code, 0);
}

#[test]
fn what_waiting_does_not_change_is_said_at_once() {
    let bench = bench();
    bench.must(&["apply"]);
    bench.query("DO $$ BEGIN CREATE ROLE wait_reader LOGIN; EXCEPTION WHEN duplicate_object THEN END $$");
    let as_reader = |grants: &str| {
        bench.query(grants);
        let mut command = bench.command(&["wait", "--to", "2", "--timeout", "20s"]);
        let server = crate::support::server();
        // As a Secret gives it.
        ended(
            command
                .env_remove("COFFERDAM_URL")
                .env_remove("COFFERDAM_DIR")
                .env("PGHOST", "127.0.0.1")
                .env("PGPORT", server.port().to_string())
                .env("PGDATABASE", &bench.database)
                .env("PGUSER", "wait_reader")
                .env("PGSSLMODE", "disable"),
        )
    };
    let Ended { code, stderr, .. } = as_reader("SELECT 1");
    assert!(![0, 124].contains(&code), "{code} {stderr}");
    assert!(stderr.contains("permission") && stderr.contains("GRANT"), "{stderr}");
    let reads = "GRANT USAGE ON SCHEMA cofferdam TO wait_reader; GRANT SELECT ON ALL TABLES IN SCHEMA cofferdam TO wait_reader";
    let Ended { code, stderr, .. } = as_reader(reads);
    assert_eq!(code, 0, "{stderr}");
}
