//! Checks before the change: all that fails at once, and nothing is changed.

use std::process::{Child, Command, Stdio};

use crate::support::{Bench, ended, program, until};
use crate::{bench, columns, installed, refused};

/// A transaction of somebody else, until it is dropped.
struct Open(Child);

impl Open {
    fn new(bench: &Bench, application: &str) -> Self {
        let child = Command::new(program("psql"))
            .arg(&bench.url)
            .args(["-c", "BEGIN; SELECT pg_sleep(600)"])
            .env("PGAPPNAME", application)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let open = Self(child);
        // In its transaction, which it is not yet when it is there.
        let there = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{application}' AND wait_event = 'PgSleep'"
        );
        until("its transaction is open", || bench.one(&there) == "1");
        open
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn all_that_fails_is_named_at_once_and_nothing_is_changed() {
    let bench = bench("checks");
    let _open = Open::new(&bench, "report job");
    let checks = [
        "apply",
        "--check",
        "disk-space=999TB",
        "--check",
        "long-transactions=1ms",
        "--check",
        "pooler",
        "--check",
        "custom:empty=SELECT count(*) = 0 FROM orders",
        "--check",
        "replication",
    ];
    let ended = bench.run(&checks);
    refused(&bench, &ended, 1, "CF3101");
    assert!(!installed(&bench));
    for part in [
        "disk-space, long-transactions, custom empty",
        "999.0 TB are asked for",
        "report job",
        "pg_terminate_backend(",
        "it returned \"f\"",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    // The same with what is so.
    bench.must(&[
        "apply",
        "--check",
        "disk-space=1kB",
        "--check",
        "long-transactions=1h",
        "--check",
        "pooler",
        "--check",
        "custom=SELECT count(*) = 1 FROM orders",
        "--check",
        "replication",
    ]);
    assert_eq!(columns(&bench), "id,note,state");
}

#[test]
fn a_query_is_one_query_and_can_write_nothing() {
    let bench = bench("custom");
    for sql in [
        "SELECT true; COMMIT; DROP TABLE orders",
        "DROP TABLE orders",
        "COMMIT",
        "DELETE FROM orders RETURNING true",
    ] {
        refused(&bench, &bench.run(&["apply", "--check", &format!("custom={sql}")]), 2, "CF3103");
    }
    for sql in [
        "WITH gone AS (DELETE FROM orders RETURNING true) SELECT true FROM gone",
        "SELECT 1 / 0 = 1",
        "SELECT true FROM nowhere",
        "SELECT NULL::bool",
    ] {
        refused(&bench, &bench.run(&["apply", "--check", &format!("custom={sql}")]), 1, "CF3101");
    }
    assert_eq!(bench.one("SELECT count(*) FROM orders"), "1");
    refused(
        &bench,
        &bench.run(&["apply", "--check", "disk-spce=1GB"]),
        2,
        "did you mean --check disk-space?",
    );
    assert!(!installed(&bench));
}

#[test]
fn what_the_role_may_not_see_is_no_pass() {
    let bench = bench("unread");
    bench.query(
        "CREATE ROLE blind LOGIN; GRANT ALL ON SCHEMA public TO blind; ALTER TABLE orders OWNER TO blind;
         GRANT CREATE ON DATABASE unread_0 TO blind"
            .replace("unread_0", &bench.database)
            .as_str(),
    );
    let _open = Open::new(&bench, "hidden job");
    let run = |arguments: &[&str]| {
        ended(bench.command(arguments).env("COFFERDAM_URL", bench.url.replace("postgres@", "blind@")))
    };
    let check = ["apply", "--check", "long-transactions=1h"];
    let hidden = run(&check);
    refused(&bench, &hidden, 1, "CF3102");
    assert!(hidden.stderr.contains("GRANT pg_read_all_stats"), "{}", hidden.stderr);
    let allowed = run(&[check.as_slice(), &["--allow", "long-transactions=I asked them"]].concat());
    assert_eq!(allowed.code, 0, "{}", allowed.stderr);
    assert!(allowed.stderr.contains("allowed: I asked them"), "{}", allowed.stderr);
}

#[test]
fn an_environment_has_its_checks_and_doctor_looks_at_the_same() {
    let bench = bench("environment");
    let yaml = format!(
        "environments:\n  prod:\n    url: {}\n    checks: [disk-space=999TB, \"custom=SELECT true\"]\n",
        bench.url
    );
    std::fs::write(bench.folder.path().join("cofferdam.yaml"), yaml).unwrap();
    refused(&bench, &bench.run(&["apply", "--env", "prod"]), 1, "CF3101");
    let doctor = bench.run(&["doctor", "--env", "prod"]);
    assert_eq!(doctor.code, 1, "{}", doctor.stdout);
    let lines: Vec<&str> = doctor.stdout.lines().collect();
    let line = |name: &str| lines.iter().find(|line| line[3..].trim_start().starts_with(name)).unwrap();
    assert!(line("disk-space").starts_with('✖'), "{}", doctor.stdout);
    assert!(line("custom").starts_with('✔') && line("pooler").starts_with('✔'), "{}", doctor.stdout);
    assert!(
        line("permissions").starts_with('✔') && line("replication").starts_with('✔'),
        "{}",
        doctor.stdout
    );
    // The command line counts, and not the environment's idea of the same.
    bench.must(&["apply", "--env", "prod", "--check", "disk-space=1kB"]);
}
