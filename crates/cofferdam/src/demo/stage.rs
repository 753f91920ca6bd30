//! What the demonstration plays on: a server, a database and a directory of migrations.

use cofferdam_core::{Fault, Refusal, Result};
use cofferdam_scratch::mysql::Kind;

use super::child::Child;
use super::database::Database;
use super::story::{Story, grouped};
use super::{DemoArgs, Engine, mysql, postgres};

/// The name of the database.
const DATABASE: &str = "shop";

/// Dropping it, or the end of this process, ends the server and removes its files.
#[derive(Debug)]
pub(super) struct Stage {
    /// The demonstration's own look.
    pub(super) database: Database,
    /// How everybody reaches the database: over a socket in a folder that nobody else may enter, so that there is
    /// no password.
    pub(super) url: String,
    /// `PostgreSQL`.
    pub(super) product: &'static str,
    /// `15.18`.
    pub(super) version: String,
    /// Where its programs come from, in words.
    pub(super) origin: String,
    folder: tempfile::TempDir,
    /// Last, so that it ends last.
    server: Server,
}

/// What is dropped at the end.
#[derive(Debug)]
enum Server {
    Postgres(#[expect(dead_code, reason = "it is there to be dropped")] cofferdam_scratch::Server),
    MySql(cofferdam_scratch::mysql::Server),
}

impl Stage {
    /// Starts the server.
    pub(super) async fn set_up(story: &Story<'_>, args: &DemoArgs) -> Result<Self> {
        let stage = match args.engine {
            Engine::Postgresql => Self::on_postgres(story, args).await?,
            Engine::Mysql => Self::on_mysql(Kind::MySql).await?,
            Engine::Mariadb => Self::on_mysql(Kind::MariaDb).await?,
        };
        let Self { product, version, origin, .. } = &stage;
        story.part(
            1,
            &format!("{product} {version} with a data directory and a socket of its own ({origin})"),
        );
        let (shop, notes) = match args.engine {
            Engine::Postgresql => (postgres::scripts::shop(args.rows), postgres::scripts::ORDER_NOTES),
            Engine::Mysql | Engine::Mariadb => (mysql::scripts::shop(args.rows), mysql::scripts::ORDER_NOTES),
        };
        for (name, text) in [("V1__shop.sql", shop.as_str()), ("V2__order_notes.sql", notes)] {
            std::fs::write(stage.directory().join(name), text).map_err(system)?;
        }
        Ok(stage)
    }

    async fn on_postgres(story: &Story<'_>, args: &DemoArgs) -> Result<Self> {
        let (binaries, origin) = postgres::binaries::binaries(story, args.pg.clone()).await?;
        let version = binaries.version_text.split(' ').next().unwrap_or_default().to_owned();
        let (server, url) = postgres::binaries::start(binaries, DATABASE).await?;
        let database = Database::open(&url).await?;
        let server = Server::Postgres(server);
        Ok(Self { database, url, product: "PostgreSQL", version, origin, folder: folder()?, server })
    }

    async fn on_mysql(kind: Kind) -> Result<Self> {
        let (programs, server, url) = mysql::server::start(kind, DATABASE).await?;
        let version = programs.version_text.split('-').next().unwrap_or_default().to_owned();
        let origin = format!("found as {}", programs.program.display());
        let database = Database::open(&url).await?;
        let server = Server::MySql(server);
        Ok(Self { database, url, product: kind.name(), version, origin, folder: folder()?, server })
    }

    /// How a person comes in.
    pub(super) fn shell(&self) -> String {
        match &self.server {
            Server::Postgres(_) => format!("psql '{}'", self.url),
            Server::MySql(server) => {
                let program = if self.product == "MySQL" { "mysql" } else { "mariadb" };
                format!("{program} --socket='{}' --user=root {DATABASE}", server.socket().display())
            }
        }
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
        self.database.settle().await
    }
}

/// Made when the server is there: who is interrupted before leaves nothing.
fn folder() -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("cofferdam-demo-").tempdir().map_err(system)
}

fn system(error: std::io::Error) -> Fault {
    Fault::Bug(format!("the demonstration's directory: {error}"))
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
