//! A server with a database for each tool as it left it, and the tool's directory.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use cofferdam_scratch::{Server, find_or_fetch};
use tempfile::TempDir;

use super::tools::{TOOLS, Tool};
use crate::bench::apply::start;
use crate::bench::product::Product;

/// The database that is measured.
const DATABASE: &str = "bench";

/// What stands for the whole of a measure.
pub(super) struct Ground<'p> {
    product: &'p Product,
    server: Server,
    pub(super) title: String,
    folder: TempDir,
    /// How many migrations there are.
    pub(super) count: usize,
}

impl<'p> Ground<'p> {
    /// With so many migrations of each tool, all of them applied.
    pub(super) fn new(product: &'p Product, count: usize) -> Result<Self, String> {
        let binaries = find_or_fetch(&mut |_| {}).map_err(|e| e.to_string())?;
        let server = start(&binaries)?;
        let title = format!("PostgreSQL {}, fsync on, TCP over loopback", binaries.version_text);
        let folder = TempDir::new().map_err(|e| e.to_string())?;
        let ground = Self { product, server, title, folder, count };
        for tool in TOOLS {
            ground.prepare(tool)?;
        }
        Ok(ground)
    }

    fn prepare(&self, tool: &Tool) -> Result<(), String> {
        let directory = self.directory(tool);
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            let parent = path.parent().ok_or("a file without a folder")?;
            fs::create_dir_all(parent).and_then(|()| fs::write(&path, text)).map_err(|e| e.to_string())
        };
        let files = tool.files(self.count);
        for file in &files {
            write(&file.name, &file.text)?;
        }
        if let Some((name, text)) = tool.beside.map(|beside| beside(&files)) {
            write(name, &text)?;
        }
        let template = template(tool);
        self.server.create_database(&template).map_err(|e| e.to_string())?;
        self.ask(&template, tool.create)?;
        for rows in (tool.rows)(&files).chunks(1_000) {
            let sql = format!("INSERT INTO {} ({}) VALUES {}", tool.table, tool.columns, rows.join(", "));
            self.ask(&template, &sql)?;
        }
        Ok(())
    }

    fn directory(&self, tool: &Tool) -> PathBuf {
        self.folder.path().join(tool.name)
    }

    /// The database as the tool left it.
    pub(super) fn fresh(&self, tool: &Tool) -> Result<(), String> {
        self.ask("postgres", &format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))?;
        self.ask("postgres", &format!("CREATE DATABASE {DATABASE} TEMPLATE {}", template(tool)))?;
        self.ask("postgres", "CHECKPOINT").map(drop)
    }

    /// The first value of what a query says of it.
    pub(super) fn one(&self, sql: &str) -> Result<String, String> {
        self.ask(DATABASE, sql)
    }

    fn ask(&self, database: &str, sql: &str) -> Result<String, String> {
        let rows = self.server.query(database, sql).map_err(|e| e.to_string())?;
        Ok(rows.first().and_then(|row| row.first().cloned().flatten()).unwrap_or_default())
    }

    /// A command of Cofferdam on it, with the tool's directory.
    pub(super) fn command(&self, tool: &Tool, words: &[&str]) -> Command {
        let mut command = self.product.command(self.folder.path());
        command.args(words).arg("--url").arg(self.server.url(DATABASE));
        command.arg("--dir").arg(self.directory(tool)).args(["--format", tool.format]);
        command
    }

    /// That all of it is in Cofferdam's history: fast because it did nothing is not fast.
    pub(super) fn all_taken_over(&self) -> Result<(), String> {
        let there = self.one("SELECT count(*) FROM cofferdam.history WHERE undone_at IS NULL")?;
        match there == self.count.to_string() {
            true => Ok(()),
            false => Err(format!("{there} of {} migrations were taken over", self.count)),
        }
    }
}

fn template(tool: &Tool) -> String {
    format!("of_{}", tool.name.replace('-', "_"))
}
