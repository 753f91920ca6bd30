//! A server to measure on, and a table of orders.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cofferdam_scratch::mysql::{Connection, Kind, Options, Server, find};
use tempfile::TempDir;

use crate::bench::product::Product;

/// As a server in use is set up: nothing is lost when the machine goes down.
const SETTINGS: &[(&str, &str)] = &[
    ("innodb_buffer_pool_size", "2G"),
    ("innodb_flush_log_at_trx_commit", "1"),
    ("sync_binlog", "1"),
    ("innodb_flush_method", "fsync"),
    ("innodb_doublewrite", "ON"),
];
const OF_MYSQL: &[(&str, &str)] = &[("innodb_redo_log_capacity", "4G")];
const OF_MARIADB: &[(&str, &str)] = &[("innodb_log_file_size", "4G")];

/// The database in which something is measured: it holds a fresh copy of the table each time.
pub(super) const DATABASE: &str = "bench";
/// The one that is copied from.
const TEMPLATE: &str = "filled";
/// The table, as `--table` takes it.
pub(super) const ORDERS: &str = "orders";
/// Writes the table anew: an indexed column gets wider.
pub(super) const WIDER: &str = "MODIFY COLUMN customer bigint NOT NULL";

/// Rows that one statement inserts.
const AT_ONCE: u64 = 100_000;
/// No statement takes longer.
const LONGEST: Duration = Duration::from_secs(20 * 60);

/// A running server, and a folder for what a measure writes.
pub(super) struct Ground<'p> {
    pub(super) product: &'p Product,
    pub(super) server: Server,
    pub(super) folder: TempDir,
}

impl<'p> Ground<'p> {
    /// With so many orders, of which there is no copy yet.
    pub(super) fn start(product: &'p Product, kind: Kind, rows: u64) -> Result<Self, String> {
        let programs = find(kind).map_err(|e| e.to_string())?;
        let own = if kind == Kind::MySql { OF_MYSQL } else { OF_MARIADB };
        let settings =
            SETTINGS.iter().chain(own).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let options = Options { settings: settings.collect(), ..Options::default() };
        let server = Server::start(&programs, &options).map_err(|e| e.to_string())?;
        let folder = TempDir::new().map_err(|e| e.to_string())?;
        let ground = Self { product, server, folder };
        ground.fill(rows)?;
        Ok(ground)
    }

    /// A connection of its own.
    pub(super) fn connect(&self, database: Option<&str>) -> Result<Connection, String> {
        self.server.connect(database, LONGEST).map_err(|e| e.to_string())
    }

    /// Runs statements; the first value of the last row.
    pub(super) fn run(&self, sql: &str) -> Result<String, String> {
        let rows = self.connect(None)?.query(sql).map_err(|e| format!("{sql}: {e}"))?;
        Ok(rows.into_iter().next_back().and_then(|row| row.into_iter().next()).flatten().unwrap_or_default())
    }

    /// About 230 bytes a row, indexes included.
    fn fill(&self, rows: u64) -> Result<(), String> {
        self.run(&format!(
            "CREATE DATABASE {TEMPLATE}; USE {TEMPLATE};
             CREATE TABLE orders (id int NOT NULL PRIMARY KEY, customer int NOT NULL, total decimal(12,2) NOT NULL,
                 placed datetime NOT NULL, state varchar(10) NOT NULL, note varchar(200), KEY customer (customer));
             CREATE TABLE digit (d int PRIMARY KEY);
             INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
             CREATE TABLE number (n int PRIMARY KEY);
             INSERT INTO number SELECT a.d + b.d * 10 + c.d * 100 + e.d * 1000 + f.d * 10000
                 FROM digit a, digit b, digit c, digit e, digit f"
        ))?;
        for from in (0..rows).step_by(usize::try_from(AT_ONCE).unwrap_or(1)) {
            let count = AT_ONCE.min(rows - from);
            self.run(&format!(
                "USE {TEMPLATE}; INSERT INTO orders SELECT i, (i * 7919) % {customers}, (i % 100000) / 100,
                     '2026-01-01' + INTERVAL i SECOND, ELT(1 + i % 4, 'new', 'paid', 'sent', 'back'),
                     CONCAT('order ', i, ' of ', SHA2(i, 256), LEFT(SHA2(i * 5, 256), 27))
                 FROM (SELECT n + 1 + {from} AS i FROM number WHERE n < {count}) numbers",
                customers = (rows / 20).max(1),
            ))?;
        }
        self.run(&format!("ANALYZE TABLE {TEMPLATE}.orders")).map(drop)
    }

    /// A fresh [`DATABASE`] with a copy of the orders, file by file, and a binary log that begins anew.
    pub(super) fn copy(&self) -> Result<(), String> {
        self.run(&format!(
            "DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE};
             CREATE TABLE {DATABASE}.{ORDERS} LIKE {TEMPLATE}.{ORDERS};
             ALTER TABLE {DATABASE}.{ORDERS} DISCARD TABLESPACE"
        ))?;
        let data = self.server.folder().join("data");
        let mut holder = self.connect(None)?;
        holder.query(&format!("FLUSH TABLES {TEMPLATE}.{ORDERS} FOR EXPORT")).map_err(|e| e.to_string())?;
        for ending in ["ibd", "cfg"] {
            let name = format!("{ORDERS}.{ending}");
            copy_owned(&data.join(TEMPLATE).join(&name), &data.join(DATABASE).join(&name))?;
        }
        holder.query("UNLOCK TABLES").map_err(|e| e.to_string())?;
        self.run(&format!(
            "ALTER TABLE {DATABASE}.{ORDERS} IMPORT TABLESPACE; ANALYZE TABLE {DATABASE}.{ORDERS};
             FLUSH BINARY LOGS; PURGE BINARY LOGS BEFORE NOW()"
        ))
        .map(drop)
    }

    /// Whether the table was written anew, and is what it should be.
    pub(super) fn widened(&self) -> Result<bool, String> {
        let ty = format!(
            "SELECT DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{DATABASE}'
             AND TABLE_NAME = '{ORDERS}' AND COLUMN_NAME = 'customer'"
        );
        Ok(self.run(&ty)? == "bigint")
    }

    /// `466 MB`: the table with its indexes.
    pub(super) fn size(&self) -> Result<String, String> {
        self.run(&format!(
            "SELECT CONCAT(ROUND((DATA_LENGTH + INDEX_LENGTH) / 1e6), ' MB') FROM information_schema.TABLES
             WHERE TABLE_SCHEMA = '{TEMPLATE}' AND TABLE_NAME = '{ORDERS}'"
        ))
    }

    /// The program with a command and what it needs to find [`DATABASE`].
    pub(super) fn cofferdam(&self, command: &str) -> Command {
        let mut said = self.product.command(self.folder.path());
        said.args([command, "--url", &self.server.url(DATABASE)]);
        said
    }

    /// An online change of the orders.
    pub(super) fn alter(&self, flags: &[&str]) -> Command {
        let mut command = self.cofferdam("alter");
        command.args(["--yes", "--table", ORDERS, "--progress", "json"]).args(flags).arg(WIDER);
        command
    }

    /// What the tables were measured with.
    pub(super) fn title(&self) -> String {
        let programs = self.server.programs();
        format!("{} {}, durable, TCP over loopback", programs.kind.name(), programs.version_text)
    }
}

/// The copy belongs to whom the original does: to the server.
fn copy_owned(from: &Path, to: &Path) -> Result<(), String> {
    let cannot = |e: std::io::Error| format!("{}: {e}", to.display());
    fs::copy(from, to).map_err(cannot)?;
    let owner = fs::metadata(from).map_err(cannot)?;
    chown(to, Some(owner.uid()), Some(owner.gid())).map_err(cannot)
}
