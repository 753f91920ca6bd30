//! What the end-to-end tests share: a real server, a database and a directory for each test, and the binary.
#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use cofferdam_scratch::{Binaries, Options, Server, find};

/// The server of this test binary. It dies with the process, however that ends.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&binaries(), &Options { tcp: true, ..Options::default() }).unwrap())
}

/// PostgreSQL as the set-up of the tests installs it.
pub fn binaries() -> Binaries {
    find().expect("PostgreSQL is needed: cargo xtask setup installs it")
}

/// A program of that PostgreSQL: psql, pg_dump. A folder may hold links to some of its programs only; the others are
/// where the links lead.
pub fn program(name: &str) -> PathBuf {
    let folder = binaries().bin_dir;
    let real = folder.join("postgres").canonicalize().unwrap();
    let beside = real.parent().unwrap().join(name);
    if folder.join(name).is_file() { folder.join(name) } else { beside }
}

/// Does the same for each of many cases, three at a time, and fails with the names of all that failed.
pub fn each<T: Sync>(cases: &[T], name: impl Fn(&T) -> String + Sync, work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(case)));
                    if let Err(panic) = outcome {
                        let text = panic.downcast_ref::<String>().cloned();
                        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                        failed.lock().unwrap().push(format!(
                            "=== {}\n{}",
                            name(case),
                            text.unwrap_or_default()
                        ));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} cases failed\n{}", failed.len(), cases.len(), failed.join("\n"));
}

/// One test's own database and directory of migrations.
pub struct Bench {
    pub database: String,
    pub url: String,
    pub folder: tempfile::TempDir,
}

/// What a command ended with.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Bench {
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("{name}_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        server().create_database(&database).unwrap();
        Self::of(database)
    }

    /// For a database that is there.
    pub fn of(database: String) -> Self {
        let url = server().url(&database);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("migrations")).unwrap();
        Self { database, url, folder }
    }

    /// Empties the database, for tests of so many cases that a database for each would fill the disk.
    pub fn clear(&self) {
        self.query(
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC;
             SET client_min_messages = error; DROP SCHEMA IF EXISTS cofferdam CASCADE",
        );
    }

    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("migrations")
    }

    /// Writes a file of the directory.
    pub fn file(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.dir().join(name), text).unwrap();
        self
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.dir().join(name)).unwrap();
    }

    /// The binary, with the database and the directory of this test and nothing of this machine's settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        for (name, _) in std::env::vars() {
            let of_servers = ["PG", "MYSQL", "COFFERDAM"].iter().any(|begin| name.starts_with(begin));
            if of_servers || name == "DATABASE_URL" {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .env("COFFERDAM_URL", &self.url)
            .env("COFFERDAM_DIR", self.dir())
            .env("NO_COLOR", "1")
            // Others are at work in most tests, and none is about how fast it goes.
            .env("COFFERDAM_PLANTED", "unpaced")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(arguments))
    }

    /// Starts it and does not wait.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs it, and fails the test unless it ends with 0.
    pub fn must(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        let shown = &arguments[..arguments.len().min(8)];
        assert_eq!(ended.code, 0, "{shown:?}\n{}\n{}", ended.stdout, ended.stderr);
        ended
    }

    /// Rows as texts, NULL as "NULL".
    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        server()
            .query(&self.database, sql)
            .unwrap_or_else(|e| panic!("{sql}: {e}"))
            .into_iter()
            .map(|row| row.into_iter().map(|c| c.unwrap_or_else(|| "NULL".into())).collect())
            .collect()
    }

    /// The first cell.
    pub fn one(&self, sql: &str) -> String {
        self.query(sql).first().and_then(|r| r.first().cloned()).unwrap_or_default()
    }

    /// The application's schema as pg_dump writes it. The lines with which newer versions fence their output
    /// hold a random key; they are left out.
    pub fn dump(&self) -> String {
        let output = Command::new(program("pg_dump"))
            .args(["--schema-only", "--no-owner", "-N", "cofferdam", &self.url])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let fence = |l: &&str| !l.starts_with("\\restrict") && !l.starts_with("\\unrestrict");
        text.lines().filter(fence).collect::<Vec<_>>().join("\n")
    }

    /// Every version that is in force, with how often it was applied.
    pub fn history(&self) -> Vec<(String, String)> {
        self.query(
            "SELECT key, count(*) FROM cofferdam.history WHERE undone_at IS NULL GROUP BY key ORDER BY key",
        )
        .into_iter()
        .map(|r| (r[0].clone(), r[1].clone()))
        .collect()
    }

    /// The hash chain holds and no run is left over.
    pub fn assert_sound(&self) {
        let verified = self.run(&["verify", "-o", "json"]);
        assert_eq!(verified.code, 0, "{}\n{}", verified.stdout, verified.stderr);
        assert_eq!(self.one("SELECT count(*) FROM cofferdam.run WHERE ended_at IS NULL"), "0");
    }
}

pub fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        // A process that a signal ended has no code.
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub fn wait(child: Child) -> Ended {
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Waits until something is so. Five minutes are no measurement: it is when waiting has become pointless.
pub fn until(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(300), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn reached(path: &Path) -> bool {
    path.exists()
}
