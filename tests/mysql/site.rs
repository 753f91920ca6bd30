//! A database on one of the two servers, with a directory of migrations.

use std::ops::Deref;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cofferdam_scratch::mysql::{Kind, Options, Server, find};
use cofferdam_scratch::skipped;

use crate::support::{Bench, Ended, ended};

/// See the module. What asks the database is of its own; everything else is the bench's.
pub(crate) struct Site {
    bench: Bench,
    pub(crate) server: &'static Server,
}

impl Deref for Site {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

/// The name of the running test, for the note that it was skipped.
fn test() -> String {
    std::thread::current().name().unwrap_or("mysql").to_owned()
}

/// The server of this test binary; it dies with the process, however that ends. `None`, and noted: there is none here.
pub(crate) fn server(kind: Kind) -> Option<&'static Server> {
    static SERVERS: [OnceLock<Result<Server, String>>; 2] = [OnceLock::new(), OnceLock::new()];
    let place = &SERVERS[usize::from(kind == Kind::MariaDb)];
    let made = place.get_or_init(|| {
        let programs = find(kind).map_err(|why| why.to_string())?;
        Ok(Server::start(&programs, &Options::default()).unwrap())
    });
    made.as_ref().map_err(|why| skipped(&test(), why)).ok()
}

/// A server of the test's own.
pub(crate) fn own_server(kind: Kind, options: &Options) -> Option<Server> {
    match find(kind) {
        Ok(programs) => Some(Server::start(&programs, options).unwrap()),
        Err(why) => {
            skipped(&test(), &why.to_string());
            None
        }
    }
}

/// The dialect of a server, as a URL may name it.
pub(crate) fn scheme(kind: Kind) -> &'static str {
    match kind {
        Kind::MySql => "mysql",
        Kind::MariaDb => "mariadb",
    }
}

impl Site {
    /// A database of its own; `None`: there is no such server here.
    pub(crate) fn new(kind: Kind, name: &str) -> Option<Self> {
        Some(Self::on(server(kind)?, kind, name))
    }

    /// A server of its own, which ends with the process.
    pub(crate) fn alone(kind: Kind, name: &str) -> Option<Self> {
        let server = own_server(kind, &Options::default())?;
        Some(Self::on(Box::leak(Box::new(server)), kind, name))
    }

    /// A database of its own on this server.
    pub(crate) fn on(server: &'static Server, kind: Kind, name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("{name}_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let url = server.create_database(&database).unwrap();
        let url = url.replacen("mysql://", &format!("{}://", scheme(kind)), 1);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("migrations")).unwrap();
        Self { bench: Bench { database, url, folder }, server }
    }

    /// With these files.
    pub(crate) fn with(kind: Kind, name: &str, files: &[(&str, &str)]) -> Option<Self> {
        let site = Self::new(kind, name)?;
        files.iter().for_each(|(name, text)| {
            site.file(name, text);
        });
        Some(site)
    }

    /// Runs it with another URL.
    pub(crate) fn at(&self, url: &str, arguments: &[&str]) -> Ended {
        ended(self.elsewhere(url, arguments).stdin(std::process::Stdio::null()))
    }

    pub(crate) fn elsewhere(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("COFFERDAM_URL", url);
        command
    }

    /// The server, for connections that may fail.
    pub(crate) fn server(&self) -> &'static Server {
        self.server
    }

    /// Rows as texts, NULL as "NULL".
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let rows = self.server.query(Some(&self.database), sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let cell = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".into());
        rows.into_iter().map(|row| row.into_iter().map(cell).collect()).collect()
    }

    /// The first cell.
    pub(crate) fn one(&self, sql: &str) -> String {
        self.query(sql).first().and_then(|row| row.first().cloned()).unwrap_or_default()
    }

    /// The tables and views, but for Cofferdam's own.
    pub(crate) fn tables(&self) -> Vec<String> {
        let sql = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
                   AND LEFT(TABLE_NAME, 11) <> '_cofferdam_' ORDER BY 1";
        self.query(sql).into_iter().flatten().collect()
    }

    /// What is there, but for Cofferdam's own tables, as the server prints it.
    pub(crate) fn schema(&self) -> Vec<String> {
        let show = |table: String| self.query(&format!("SHOW CREATE TABLE `{table}`"))[0][1].clone();
        self.tables().into_iter().map(show).collect()
    }

    /// Every version that is in force, with how often it was applied.
    pub(crate) fn history(&self) -> Vec<(String, String)> {
        let sql = "SELECT `key`, COUNT(*) FROM _cofferdam_history WHERE undone_at IS NULL GROUP BY `key` ORDER BY `key`";
        self.query(sql).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
    }

    /// Cofferdam was never here.
    pub(crate) fn untouched(&self) -> bool {
        self.query("SHOW TABLES LIKE '\\_cofferdam\\_%'").is_empty()
    }

    /// A session that has done this, and keeps what it holds until it is let go.
    pub(crate) fn hold(&self, sql: &str) -> Held {
        Held::on(self.server, &self.database, sql)
    }

    /// The hash chain holds and no run is left over.
    pub(crate) fn assert_sound(&self) {
        let verified = self.run(&["verify", "-o", "json"]);
        assert_eq!(verified.code, 0, "{}\n{}", verified.stdout, verified.stderr);
        assert_eq!(self.one("SELECT COUNT(*) FROM _cofferdam_run WHERE ended_at IS NULL"), "0");
    }
}

/// See [`Site::hold`].
pub(crate) struct Held {
    server: &'static Server,
    pub(crate) id: String,
    holding: Option<std::thread::JoinHandle<bool>>,
}

impl Held {
    /// The same on any server.
    pub(crate) fn on(server: &'static Server, database: &str, sql: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mark = format!("held {};", NUMBER.fetch_add(1, Ordering::SeqCst));
        let script = format!("{sql}; SELECT SLEEP(600), '{mark}'");
        let mut holder = server.connect(Some(database), Duration::from_secs(600)).unwrap();
        // It ends with an error once it is killed.
        let holding = std::thread::spawn(move || holder.query(&script).is_ok());
        let sleeping =
            format!("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP%{mark}%'");
        let found = || server.query(None, &sleeping).unwrap().into_iter().next()?.into_iter().next()?;
        crate::support::until("it holds it", || found().is_some());
        Self { server, id: found().unwrap(), holding: Some(holding) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.server.query(None, &format!("KILL {}", self.id));
        if let Some(holding) = self.holding.take() {
            let _ = holding.join();
        }
    }
}
