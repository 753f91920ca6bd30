//! Real servers. A machine without PostgreSQL reports these tests as skipped.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cofferdam_scratch::{Binaries, Options, ScratchError, Server, find_all, find_or_fetch, skipped};

fn binaries(test: &str) -> Option<Binaries> {
    find_or_fetch(&mut |_| {}).map_err(|why| skipped(test, &why.to_string())).ok()
}

fn one(server: &Server, database: &str, sql: &str) -> String {
    server.query(database, sql).unwrap()[0][0].clone().unwrap()
}

/// Waits for something that another process does. It ends when that is done; a process that never does it
/// makes the test fail, not hang.
fn eventually(what: &str, done: impl Fn() -> bool) {
    for _ in 0..12_000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("still not: {what}");
}

/// Whether a process of this number is there.
fn runs(pid: u32) -> bool {
    Command::new("sh").args(["-c", &format!("kill -0 {pid} 2>/dev/null")]).status().unwrap().success()
}

#[test]
fn a_server_answers_and_leaves_nothing_behind() {
    let Some(binaries) = binaries("a_server_answers_and_leaves_nothing_behind") else { return };
    let server = Server::start(&binaries, &Options::default()).unwrap();
    assert_eq!(one(&server, "postgres", "SHOW server_version_num"), binaries.version.to_string());
    assert_eq!(one(&server, "postgres", "SHOW fsync"), "off");
    assert_eq!(one(&server, "postgres", "SHOW listen_addresses"), "");
    assert_eq!(one(&server, "postgres", "SELECT current_user"), server.superuser());
    let (pid, folder) = (server.pid().unwrap(), server.socket_dir().to_path_buf());
    assert!(runs(pid));
    drop(server);
    assert!(!runs(pid));
    assert!(!folder.exists());
}

#[test]
fn a_database_is_created_under_any_name() {
    let Some(binaries) = binaries("a_database_is_created_under_any_name") else { return };
    let server = Server::start(&binaries, &Options::default()).unwrap();
    for name in ["shop", "two words", "quo\"te", "Ünï/code"] {
        let url = server.create_database(name).unwrap();
        assert!(url.starts_with("postgres:///"), "{url}");
        assert_eq!(one(&server, name, "SELECT current_database()"), name);
    }
    let error = server.create_database("shop").unwrap_err();
    assert!(error.to_string().contains("42P04"), "{error}");
    // The connection of a failed query is no obstacle to the next.
    assert_eq!(server.query("shop", "SELECT 1; SELECT NULL").unwrap(), [vec![Some("1".into())], vec![None]]);
}

#[test]
fn what_was_committed_survives_a_crash_and_a_restart() {
    let Some(binaries) = binaries("what_was_committed_survives_a_crash_and_a_restart") else { return };
    let mut server = Server::start(&binaries, &Options { tcp: true, ..Options::default() }).unwrap();
    let url = server.url("postgres");
    server.query("postgres", "CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g").unwrap();
    server.stop_immediate().unwrap();
    assert_eq!(server.pid(), None);
    assert!(matches!(server.query("postgres", "SELECT 1"), Err(ScratchError::Wire(_))));
    server.start_again().unwrap();
    assert_eq!(one(&server, "postgres", "SELECT count(*) FROM t"), "1000");
    let crashed = std::fs::read_to_string(server.log()).unwrap();
    assert!(crashed.contains("was not properly shut down"), "{crashed}");
    let before = server.pid();
    server.restart().unwrap();
    assert_ne!(server.pid(), before);
    assert_eq!(one(&server, "postgres", "SELECT count(*) FROM t"), "1000");
    assert_eq!(server.url("postgres"), url);
}

#[test]
fn settings_and_fsync_are_as_asked() {
    let Some(binaries) = binaries("settings_and_fsync_are_as_asked") else { return };
    let options = Options {
        fsync: true,
        settings: vec![("wal_level".into(), "logical".into()), ("app.note".into(), "it's".into())],
        ..Options::default()
    };
    let server = Server::start(&binaries, &options).unwrap();
    for (setting, value) in [("wal_level", "logical"), ("app.note", "it's"), ("fsync", "on")] {
        assert_eq!(one(&server, "postgres", &format!("SHOW {setting}")), value);
    }
}

#[test]
fn a_server_that_cannot_start_shows_its_log() {
    let Some(binaries) = binaries("a_server_that_cannot_start_shows_its_log") else { return };
    let options = Options { settings: vec![("no_such_setting".into(), "1".into())], ..Options::default() };
    let error = Server::start(&binaries, &options).unwrap_err().to_string();
    assert!(error.contains("unrecognized configuration parameter \"no_such_setting\""), "{error}");
}

#[test]
fn a_password_is_asked_for_on_tcp_only() {
    let Some(binaries) = binaries("a_password_is_asked_for_on_tcp_only") else { return };
    let options = Options { tcp: true, password: Some("it's/secret".into()), ..Options::default() };
    let server = Server::start(&binaries, &options).unwrap();
    assert!(server.url("postgres").contains(":it%27s%2Fsecret@127.0.0.1:"), "{}", server.url("postgres"));
    let stored = one(&server, "postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'");
    assert!(stored.starts_with("SCRAM-SHA-256$"), "{stored}");
    let rules = server.query("postgres", "SELECT type, auth_method FROM pg_hba_file_rules").unwrap();
    assert!(rules.iter().all(|r| (r[0].as_deref() == Some("local")) == (r[1].as_deref() == Some("trust"))));
}

#[test]
fn servers_that_start_at_once_do_not_meet() {
    let Some(binaries) = binaries("servers_that_start_at_once_do_not_meet") else { return };
    let options = Options { tcp: true, ..Options::default() };
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let starting: Vec<_> =
            (0..3).map(|_| scope.spawn(|| Server::start(&binaries, &options).unwrap())).collect();
        starting.into_iter().map(|s| s.join().unwrap()).collect()
    });
    for (n, server) in servers.iter().enumerate() {
        server.create_database(&format!("only_{n}")).unwrap();
        let databases = server.query("postgres", "SELECT datname FROM pg_database WHERE datname ~ '^only'");
        assert_eq!(databases.unwrap().len(), 1);
    }
}

/// Where the owner process of the next test writes what it started; set in that process only.
const OWNER: &str = "COFFERDAM_SCRATCH_TEST_OWNER";

/// Not a test by itself: the process that the next test kills.
#[test]
fn owner() {
    let Some(report) = std::env::var_os(OWNER).map(PathBuf::from) else { return };
    let server = Server::start(&find_or_fetch(&mut |_| {}).unwrap(), &Options::default()).unwrap();
    let started = format!("{}\n{}", server.pid().unwrap(), server.socket_dir().display());
    std::fs::write(report.with_extension("new"), started).unwrap();
    std::fs::rename(report.with_extension("new"), report).unwrap();
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

#[test]
fn a_server_ends_and_its_files_go_when_its_owner_is_killed() {
    let test = "a_server_ends_and_its_files_go_when_its_owner_is_killed";
    let Some(_) = binaries(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "owner"])
        .env(OWNER, &report)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually("the owner has started its server", || report.exists());
    let text = std::fs::read_to_string(&report).unwrap();
    let (pid, base) = text.split_once('\n').unwrap();
    let pid: u32 = pid.parse().unwrap();
    assert!(runs(pid) && Path::new(base).exists());
    // SIGKILL: no destructor runs.
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("the server has ended", || !runs(pid));
    eventually("its files are gone", || !Path::new(base).exists());
}

#[test]
fn every_installed_server_is_found_once() {
    // None at all is fine: then the portable build is used.
    let all = find_all();
    assert_eq!(all.first(), cofferdam_scratch::find().as_ref());
    let mut real: Vec<_> = all.iter().map(|b| b.bin_dir.join("postgres").canonicalize().unwrap()).collect();
    real.sort();
    real.dedup();
    assert_eq!(real.len(), all.len());
}
