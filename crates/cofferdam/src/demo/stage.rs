//! What the demonstration plays on: a server, a database and a directory of migrations.

use cofferdam_core::{Fault, Refusal, Result};
use cofferdam_scratch::{Binaries, Options, Server};
use tokio_postgres::Client;

use super::binaries::{binaries, no_server};
use super::child::Child;
use super::story::{Story, grouped};
use super::{DemoArgs, database, shop};

/// The name of the database.
const DATABASE: &str = "shop";

/// Dropping it, or the end of this process, ends the server and removes its files.
#[derive(Debug)]
pub(super) struct Stage {
    /// The demonstration's own connection.
    pub(super) client: Client,
    /// How everybody reaches the database: over a socket in a folder that nobody else may enter, so that there is
    /// no password.
    pub(super) url: String,
    /// `15.18`.
    pub(super) version: String,
    /// Where its programs come from, in words.
    pub(super) origin: String,
    folder: tempfile::TempDir,
    /// Last, so that it ends last.
    _server: Server,
}

impl Stage {
    /// Starts the server.
    pub(super) async fn set_up(story: &Story<'_>, args: &DemoArgs) -> Result<Self> {
        let (binaries, origin) = binaries(story, args.pg.clone()).await?;
        let version = binaries.version_text.split(' ').next().unwrap_or_default().to_owned();
        let (server, url) = start(binaries).await?;
        let client = database::connect(&url, "cofferdam demo").await?;
        story.part(
            1,
            &format!("PostgreSQL {version} with a data directory and a socket of its own ({origin})"),
        );
        let system = |e: std::io::Error| Fault::Bug(format!("the demonstration's directory: {e}"));
        let folder = tempfile::Builder::new().prefix("cofferdam-demo-").tempdir().map_err(system)?;
        for (name, text) in shop::files(args.rows) {
            std::fs::write(folder.path().join(name), text).map_err(system)?;
        }
        Ok(Self { client, url, version, origin, folder, _server: server })
    }

    /// The directory of migrations.
    pub(super) fn directory(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Makes the tables as version 1, with what is in them.
    pub(super) async fn fill(&self, story: &Story<'_>, args: &DemoArgs) -> Result<()> {
        let rows = grouped(u64::from(args.rows));
        story.part(
            2,
            &format!("cofferdam apply --to 1: the tables, with {rows} orders; then {} writers", args.writers),
        );
        Child::start(self, &["apply", "--to", "1"])?.done(story).await?;
        // As a table that has been in use; else autovacuum would do it in the middle of what is to be shown.
        database::execute(&self.client, "VACUUM (ANALYZE) customers, orders").await
    }
}

async fn start(binaries: Binaries) -> Result<(Server, String)> {
    // As an application's server: what is acknowledged is on the disk.
    let options = Options { fsync: true, ..Options::default() };
    let starting = tokio::task::spawn_blocking(move || {
        let server = Server::start(&binaries, &options)?;
        let url = server.create_database(DATABASE)?;
        Ok((server, url))
    });
    starting.await.map_err(|e| Fault::Bug(e.to_string()))?.map_err(|e| no_server(&e))
}

/// A command of the demonstration ended otherwise than it must.
pub(super) fn command_failed(command: &str, code: Option<i32>, last: Option<&str>) -> Fault {
    let how = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with exit code {code}"));
    let refusal =
        Refusal::new(cofferdam_core::Code::StatementFailed, format!("cofferdam {command} ended {how}"))
            .help("what it said stands above");
    match last {
        Some(last) => refusal.cause(last.to_owned()),
        None => refusal,
    }
    .into()
}
