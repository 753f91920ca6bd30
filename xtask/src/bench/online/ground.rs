//! A server to measure on, and the client programs that came with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_scratch::{Binaries, Options, Server, find_or_fetch};
use tempfile::TempDir;

use super::super::product::{Product, without_settings};
use crate::machine::output;

/// As a server in use is set up, and the same for everybody who is measured: a plain ALTER and pg_repack build their
/// indexes with `maintenance_work_mem`, too.
const SETTINGS: &[(&str, &str)] = &[
    ("shared_buffers", "2GB"),
    ("maintenance_work_mem", "256MB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "15min"),
    ("max_replication_slots", "10"),
    ("max_wal_senders", "10"),
];

/// A running server, and a folder for what a measure writes.
pub(in crate::bench) struct Ground<'p> {
    pub(in crate::bench) product: &'p Product,
    pub(in crate::bench) server: Server,
    pub(in crate::bench) binaries: Binaries,
    pub(in crate::bench) folder: TempDir,
}

/// The database in which something is measured: a fresh copy of another each time.
pub(in crate::bench) const DATABASE: &str = "bench";

impl<'p> Ground<'p> {
    /// A server that loses nothing when the machine goes down, with `wal_level` as given.
    pub(in crate::bench) fn start(product: &'p Product, wal_level: &str) -> Result<Self, String> {
        Self::with(product, &[("wal_level", wal_level)])
    }

    /// The same with more settings.
    pub(in crate::bench) fn with(product: &'p Product, more: &[(&str, &str)]) -> Result<Self, String> {
        let binaries = find_or_fetch(&mut |_| {}).map_err(|e| e.to_string())?;
        let settings = SETTINGS.iter().chain(more).copied();
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let options = Options { fsync: true, tcp: true, settings, ..Options::default() };
        let server = Server::start(&binaries, &options).map_err(|e| e.to_string())?;
        let folder = TempDir::new().map_err(|e| e.to_string())?;
        Ok(Self { product, server, binaries, folder })
    }

    /// Where the server's programs are: the place that is found may hold links to them only.
    pub(in crate::bench) fn bin_dir(&self) -> PathBuf {
        let server = self.binaries.bin_dir.join("postgres");
        let real = fs::canonicalize(&server).unwrap_or(server);
        real.parent().map_or_else(|| self.binaries.bin_dir.clone(), Path::to_path_buf)
    }

    /// A client program of PostgreSQL, told where the server is.
    pub(in crate::bench) fn client(&self, name: &str) -> Result<Command, String> {
        let beside = self.bin_dir().join(name);
        let program = if beside.is_file() {
            beside
        } else if crate::machine::has_program(name) {
            name.into()
        } else {
            return Err(format!("`{name}` is not on this machine"));
        };
        let mut command = without_settings(&program, self.folder.path());
        command.args(["-h", self.server.host(), "-U", self.server.superuser()]);
        command.args(["-p", &self.server.port().to_string()]);
        Ok(command)
    }

    /// Runs statements with psql, each a transaction of its own.
    pub(in crate::bench) fn run(&self, database: &str, statements: &[&str]) -> Result<(), String> {
        output(&mut self.psql(database, statements)?).map(|_| ())
    }

    /// The command that [`Ground::run`] runs.
    pub(in crate::bench) fn psql(&self, database: &str, statements: &[&str]) -> Result<Command, String> {
        let mut command = self.client("psql")?;
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database]);
        statements.iter().for_each(|sql| {
            command.args(["-c", sql]);
        });
        Ok(command)
    }

    /// The first value of the first row of a short query.
    pub(in crate::bench) fn ask(&self, database: &str, sql: &str) -> Result<String, String> {
        let rows = self.server.query(database, sql).map_err(|e| e.to_string())?;
        let value = rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten();
        Ok(value.unwrap_or_default())
    }

    /// A fresh [`DATABASE`] that holds what another one does, all of it on the disk.
    pub(in crate::bench) fn copy_of(&self, template: &str) -> Result<(), String> {
        // Copied file by file, so that the copy is not in the write-ahead log.
        let strategy = if self.server.version() >= 150_000 { "STRATEGY file_copy" } else { "" };
        // A slot that a failed measurement left would keep the database from being dropped.
        let slots = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active";
        self.server.query("postgres", slots).map_err(|e| e.to_string())?;
        self.run("postgres", &[&format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")])?;
        self.run("postgres", &[&format!("CREATE DATABASE {DATABASE} TEMPLATE {template} {strategy}")])?;
        self.run("postgres", &["CHECKPOINT"])
    }

    /// The URL of [`DATABASE`] for the program. Without TLS: the server has none.
    pub(in crate::bench) fn url(&self) -> String {
        self.server.url(DATABASE) + "?sslmode=disable"
    }

    /// The program with a command and what it needs to find [`DATABASE`].
    pub(in crate::bench) fn cofferdam(&self, command: &str) -> Command {
        let mut said = self.product.command(self.folder.path());
        said.args([command, "--url", &self.url()]);
        said
    }

    /// What the tables that the pages show were measured with.
    pub(in crate::bench) fn title(&self) -> String {
        format!("PostgreSQL {}, fsync on, TCP over loopback", self.binaries.version_text)
    }
}
