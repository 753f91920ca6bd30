//! Where a rehearsal takes place, and that nothing is left there.

use std::path::PathBuf;

use crate::support::{Bench, server, until};
use crate::{rehearse, shop};

/// Throw-away databases on the server of the tests.
fn databases() -> Vec<String> {
    let rows = server()
        .query("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'cofferdam_throw_away%'");
    rows.unwrap().into_iter().filter_map(|row| row[0].clone()).collect()
}

/// The folders of throw-away servers that a process has, by what its keeper is told.
fn folders_of(pid: u32) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(other) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let status = std::fs::read_to_string(format!("/proc/{other}/status")).unwrap_or_default();
        let parent =
            status.lines().find_map(|line| line.strip_prefix("PPid:")).map(str::trim).unwrap_or_default();
        let command = std::fs::read(format!("/proc/{other}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if parent == pid.to_string() {
            found.extend(command.split(' ').filter(|word| word.contains("cofferdam-pg-")).map(PathBuf::from));
        }
    }
    found
}

fn slow(name: &str) -> Bench {
    let bench = shop(name);
    bench.file("V1__change.sql", "ALTER TABLE orders ADD COLUMN extra text; SELECT pg_sleep(60);");
    bench
}

#[test]
fn a_database_on_a_server_that_is_named_is_dropped_again_also_after_a_kill() {
    let bench = slow("named");
    let dev = server().url("postgres");
    let mut child = bench.spawn(&["rehearse", "--dev-url", &dev]);
    until("the statement runs", || {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'cofferdam_throw_away%' AND query LIKE '%pg_sleep(60)%' AND state = 'active'";
        server().query("postgres", query).unwrap()[0][0].as_deref() == Some("1")
    });
    let left = databases();
    assert_eq!(left.len(), 1);
    // Another one leaves alone what is in use, also where it is connected to another database of the server; it is
    // made where the environment says.
    let other = shop("named_other");
    other.file("V1__change.sql", "ALTER TABLE orders ADD COLUMN extra text;");
    let yaml = format!("environments: {{dev: {{devUrl: '{}'}}}}\n", Bench::new("named_elsewhere").url);
    std::fs::write(other.folder.path().join("cofferdam.yaml"), yaml).unwrap();
    let (code, found, said) = rehearse(&other, &["--env", "dev"]);
    assert_eq!(code, 0, "{found:#}\n{said}");
    assert_eq!(found["on"], "a copy of the schema in a database of its own");
    assert_eq!(databases(), left);
    child.kill().unwrap();
    child.wait().unwrap();
    // What was killed could drop nothing; the next one does, and drops its own.
    // Another test makes a role of its own on this server, perhaps meanwhile.
    let roles = "SELECT count(*) FROM pg_roles WHERE rolname NOT LIKE 'reader\\_given\\_%'";
    let before = other.one(roles);
    until("the killed process's sessions are gone", || {
        let (code, found, said) = rehearse(&other, &["--dev-url", &dev]);
        assert_eq!(code, 0, "{found:#}\n{said}");
        databases().is_empty()
    });
    assert_eq!(other.one(roles), before);
}

#[test]
fn a_throw_away_server_dies_with_the_process_that_is_killed() {
    let bench = slow("killed");
    let mut child = bench.spawn(&["rehearse"]);
    until("the server is there", || !folders_of(child.id()).is_empty());
    let folders = folders_of(child.id());
    until("it runs", || folders.iter().any(|folder| folder.exists()));
    child.kill().unwrap();
    child.wait().unwrap();
    until("its folder is gone", || folders.iter().all(|folder| !folder.exists()));
}

#[test]
fn in_a_transaction_everything_is_taken_back() {
    let bench = shop("transaction");
    bench.file(
        "V1__change.sql",
        "ALTER TABLE orders ADD COLUMN extra text; ALTER TABLE customers ADD COLUMN more int;",
    );
    let (code, found, said) = rehearse(&bench, &["--in-transaction"]);
    assert_eq!(code, 0, "{found:#}\n{said}");
    assert_eq!(found["ways"].as_array().unwrap().len(), 3, "{found:#}");
    assert_eq!(found["ways"][0]["steps"][0]["deed"]["locks"][0][1], "ACCESS EXCLUSIVE");
    assert_eq!(found["ways"][0]["steps"][0]["deed"]["walBytes"], serde_json::Value::Null);
    // What a transaction refuses.
    bench.file("V2__index.sql", "CREATE INDEX orders_total ON orders (total);");
    let (code, found, said) = rehearse(&bench, &["--in-transaction"]);
    assert_eq!((code, &found["code"]), (2, &serde_json::json!("CF3738")), "{found:#}\n{said}");
}

#[test]
fn a_lock_that_is_not_free_fails_it_and_holds_nobody_up() {
    let bench = shop("locked");
    bench.file("V1__change.sql", "ALTER TABLE orders ADD COLUMN extra text;");
    let mut client = std::process::Command::new(crate::support::program("psql"))
        .args([
            "-q",
            &bench.url,
            "-c",
            "BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE; SELECT pg_sleep(120)",
        ])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("the lock is held", || {
        bench.one(
            "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass AND mode = 'RowExclusiveLock' AND granted",
        ) != "0"
    });
    let (code, found, said) = rehearse(&bench, &["--in-transaction"]);
    client.kill().unwrap();
    client.wait().unwrap();
    assert_eq!(code, 1, "{found:#}\n{said}");
    assert!(said.contains("lock"), "{said}");
}
