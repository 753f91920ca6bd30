//! Real servers of MySQL and MariaDB. A machine without them reports these tests as skipped.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::{Command, Stdio};

use cofferdam_scratch::mysql::{Kind, Options, Programs, Server, find};
use cofferdam_scratch::{ScratchError, WireError, skipped};

const KINDS: [Kind; 2] = [Kind::MySql, Kind::MariaDb];

fn programs(test: &str, kind: Kind) -> Option<Programs> {
    find(kind).map_err(|why| skipped(test, &why.to_string())).ok()
}

fn one(server: &Server, sql: &str) -> String {
    server.query(None, sql).unwrap()[0][0].clone().unwrap()
}

fn runs(pid: u32) -> bool {
    Command::new("sh").args(["-c", &format!("kill -0 {pid} 2>/dev/null")]).status().unwrap().success()
}

#[test]
fn a_server_answers_and_leaves_nothing_behind() {
    for kind in KINDS {
        let Some(programs) = programs("a_server_answers_and_leaves_nothing_behind", kind) else { continue };
        let server = Server::start(&programs, &Options::default()).unwrap();
        assert_eq!(one(&server, "SELECT VERSION()").contains("MariaDB"), kind == Kind::MariaDb);
        assert_eq!(one(&server, "SELECT @@bind_address"), "127.0.0.1");
        assert_eq!(one(&server, "SELECT CONCAT(IF(@@log_bin, 1, 0), @@binlog_format)"), "1ROW");
        assert_eq!(one(&server, "SELECT @@port"), server.port().to_string());
        let (pid, folder) = (server.pid().unwrap(), server.folder().to_path_buf());
        assert!(runs(pid));
        drop(server);
        assert!(!runs(pid), "{kind:?}");
        assert!(!folder.exists(), "{kind:?}");
    }
}

#[test]
fn databases_rows_and_errors_are_the_servers() {
    for kind in KINDS {
        let Some(programs) = programs("databases_rows_and_errors_are_the_servers", kind) else { continue };
        let server = Server::start(&programs, &Options::default()).unwrap();
        for name in ["shop", "two words", "quo`te", "Ünï/code"] {
            assert!(server.create_database(name).unwrap().starts_with("mysql://root@127.0.0.1:"));
            let rows =
                server.query(Some(name), "SELECT DATABASE(), NULL; SELECT 'é', REPEAT('x', 300)").unwrap();
            assert_eq!(rows[0], [Some(name.to_owned()), None], "{kind:?}");
            assert_eq!(rows[1], [Some("é".to_owned()), Some("x".repeat(300))], "{kind:?}");
        }
        match server.create_database("shop") {
            Err(ScratchError::Wire(WireError::Server { sqlstate, message })) => {
                assert_eq!(sqlstate, "HY000", "{message}");
                assert!(message.contains("shop"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_was_committed_is_there_after_a_crash_and_after_a_restart() {
    for kind in KINDS {
        let test = "what_was_committed_is_there_after_a_crash_and_after_a_restart";
        let Some(programs) = programs(test, kind) else { continue };
        let mut server = Server::start(&programs, &Options::default()).unwrap();
        let (pid, port) = (server.pid(), server.port());
        server
            .query(None, "CREATE DATABASE d; CREATE TABLE d.t (id int); INSERT INTO d.t VALUES (7)")
            .unwrap();
        server.stop_immediate().unwrap();
        assert_eq!(server.pid(), None);
        assert!(server.query(None, "SELECT 1").is_err());
        server.start_again().unwrap();
        assert_eq!(one(&server, "SELECT id FROM d.t"), "7");
        server.restart().unwrap();
        assert_eq!(one(&server, "SELECT id FROM d.t"), "7");
        assert_ne!(server.pid(), pid);
        assert_eq!(server.port(), port);
    }
}

#[test]
fn two_servers_run_beside_each_other_with_settings_of_their_own() {
    for kind in KINDS {
        let test = "two_servers_run_beside_each_other_with_settings_of_their_own";
        let Some(programs) = programs(test, kind) else { continue };
        let settings = vec![("max_connections".to_owned(), "33".to_owned())];
        let options = Options { settings, password: Some("p'\\w".to_owned()) };
        let (one_, two) = (
            Server::start(&programs, &options).unwrap(),
            Server::start(&programs, &Options::default()).unwrap(),
        );
        assert_ne!(one_.port(), two.port());
        assert_eq!(one(&one_, "SELECT @@max_connections"), "33");
        assert_ne!(one(&two, "SELECT @@max_connections"), "33");
        assert!(one_.url("d").starts_with("mysql://root:p%27%5Cw@127.0.0.1:"));
        if kind == Kind::MySql {
            assert_ne!(one(&one_, "SELECT @@server_uuid"), one(&two, "SELECT @@server_uuid"));
        }
        let bad = Options { settings: vec![("no_such_setting".into(), "1".into())], ..Options::default() };
        match Server::start(&programs, &bad) {
            Err(ScratchError::NotReady { log, .. }) => assert!(log.contains("no_such_setting"), "{log}"),
            other => panic!("{other:?}"),
        }
    }
}

/// The other half of the next test: a process that has a server and is killed. Alone it has nothing to do.
#[test]
fn owner() {
    let Ok(says) = std::env::var("SAYS") else { return };
    let kind = if std::env::var("OWNER").as_deref() == Ok("MySql") { Kind::MySql } else { Kind::MariaDb };
    let server = Server::start(&find(kind).unwrap(), &Options::default()).unwrap();
    std::fs::write(says, format!("{} {}", server.pid().unwrap(), server.folder().display())).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(600));
}

#[test]
fn a_server_dies_with_the_process_that_is_killed() {
    for kind in KINDS {
        if programs("a_server_dies_with_the_process_that_is_killed", kind).is_none() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let says = folder.path().join("says");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "owner"])
            .envs([("OWNER", format!("{kind:?}")), ("SAYS", says.display().to_string())])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wait = |what: &str, done: &dyn Fn() -> bool| {
            for _ in 0..6_000 {
                if done() {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            panic!("still not: {what}");
        };
        wait("the server is there", &|| std::fs::read_to_string(&says).is_ok_and(|text| text.contains('/')));
        let said = std::fs::read_to_string(&says).unwrap();
        let (pid, base) = said.split_once(' ').unwrap();
        let pid: u32 = pid.parse().unwrap();
        assert!(runs(pid));
        child.kill().unwrap();
        child.wait().unwrap();
        wait("the server is gone", &|| !runs(pid) && !std::path::Path::new(base).exists());
    }
}
