//! `doctor`: whether Cofferdam can work with this database and directory.

use cofferdam_adapters::checks::{Asked, CHECKS, Takes, Verdict};
use cofferdam_core::facts::Server;
use cofferdam_core::{Fault, Result};
use cofferdam_engines::{Runs, Session};
use cofferdam_runner::precheck::{self, Checked, Ground};
use serde::Serialize;

use super::{Command, Exit};
use crate::args::before::BeforeFlags;
use crate::config::Settings;
use crate::context::Context;
use crate::files;
use crate::output::error;
use crate::output::words::count;
use crate::wiring;

pub(crate) static COMMAND: Command = Command {
    name: "doctor",
    aliases: &[],
    about: "Check the directory, the connection, the server and the rights of the role",
    more: "Reads only. Exits with the code of the first check that failed.",
    examples: &[
        ("cofferdam doctor --env prod", "everything that apply needs"),
        ("cofferdam doctor", "the directory and this machine alone, where no database is named"),
    ],
    arguments: |command| command,
    run: |context, _| Box::pin(async move { doctor(&context).await }),
};

/// The document of kind `Checkup`.
#[derive(Debug, Default, Serialize)]
struct CheckupView {
    healthy: bool,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    state: Health,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Good,
    Doubtful,
    Bad,
}

/// What is asked of a server in its own words.
#[derive(Debug)]
struct Words {
    /// The version and the cipher of TLS, and whether the connection is one of a local socket. No row, or nothing in the
    /// first: it is not encrypted.
    tls: &'static str,
    /// What makes the connection an encrypted one.
    encrypt: &'static str,
    /// A row, once Cofferdam keeps its records there.
    records: &'static str,
    /// Where these are.
    place: &'static str,
    /// Programs that people use beside Cofferdam; none is needed for it to work.
    tools: &'static [&'static str],
}

const POSTGRESQL: Words = Words {
    tls: "SELECT s.version, s.cipher, (a.client_addr IS NULL)::text
          FROM pg_catalog.pg_stat_ssl s JOIN pg_catalog.pg_stat_activity a ON a.pid = s.pid
          WHERE s.pid = pg_catalog.pg_backend_pid() AND (s.ssl OR a.client_addr IS NULL)",
    encrypt: "add sslmode=verify-full to the URL",
    records: "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'cofferdam'",
    place: "schema cofferdam",
    tools: &["psql", "pg_dump", "pg_restore"],
};

const MYSQL: Words = Words {
    tls: "SELECT MAX(CASE VARIABLE_NAME WHEN 'Ssl_version' THEN VARIABLE_VALUE END),
                 MAX(CASE VARIABLE_NAME WHEN 'Ssl_cipher' THEN VARIABLE_VALUE END), IF(USER() LIKE '%@localhost', 't', 'f')
          FROM performance_schema.session_status WHERE VARIABLE_NAME LIKE 'Ssl%' AND VARIABLE_VALUE <> ''",
    encrypt: "add ssl-mode=verify-identity to the URL",
    records: "SELECT 1 FROM information_schema.TABLES
              WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '_cofferdam_history'",
    place: "tables _cofferdam_*",
    tools: &["mysql", "mysqldump"],
};

const MARIADB: Words = Words {
    tls: "SELECT MAX(CASE VARIABLE_NAME WHEN 'SSL_VERSION' THEN VARIABLE_VALUE END),
                 MAX(CASE VARIABLE_NAME WHEN 'SSL_CIPHER' THEN VARIABLE_VALUE END), IF(USER() LIKE '%@localhost', 't', 'f')
          FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME LIKE 'SSL%' AND VARIABLE_VALUE <> ''",
    tools: &["mariadb", "mariadb-dump"],
    ..MYSQL
};

fn words(dialect: &str) -> &'static Words {
    match dialect {
        "mysql" => &MYSQL,
        "mariadb" => &MARIADB,
        _ => &POSTGRESQL,
    }
}

async fn doctor(context: &Context) -> Result<Exit> {
    let mut view = CheckupView::default();
    let settings = context.settings()?;
    let promised = wiring::dialect_of_url(settings.url.as_deref())?.id;
    view.directory(&settings);
    if settings.has_database {
        match context.open(&settings).await {
            Ok(mut session) => {
                view.good(
                    "connection",
                    settings.url.as_deref().map_or_else(by_variables, crate::output::mask::text),
                );
                view.server(&settings, &mut *session).await?;
            }
            Err(fault) => view.bad("connection", &fault),
        }
    } else {
        view.doubtful("connection", "no database is named".to_owned(), "--url postgres://user@host/database");
    }
    view.tools(words(promised), std::env::var_os("PATH"));
    view.healthy = view.checks.iter().all(|c| c.state != Health::Bad);
    context.console.show("Checkup", &view, CheckupView::text);
    Ok(view.checks.iter().find(|c| c.state == Health::Bad).map_or(Exit::DONE, |c| c.exit))
}

fn by_variables() -> String {
    "as the PG* variables say".to_owned()
}

impl CheckupView {
    fn good(&mut self, name: impl Into<String>, found: String) {
        let name = name.into();
        self.checks.push(Check { name, state: Health::Good, found, help: None, exit: Exit::DONE });
    }

    fn doubtful(&mut self, name: impl Into<String>, found: String, help: &str) {
        let name = name.into();
        let help = Some(help.to_owned()).filter(|help| !help.is_empty());
        self.checks.push(Check { name, state: Health::Doubtful, found, help, exit: Exit::DONE });
    }

    fn bad(&mut self, name: impl Into<String>, fault: &Fault) {
        let name = name.into();
        let refusal = error::refusal(fault);
        let cause = refusal.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
        let found = crate::output::mask::text(&format!("{} {}{cause}", refusal.code.id(), refusal.what));
        let help = refusal.help.as_deref().map(crate::output::mask::text);
        self.checks.push(Check { name, state: Health::Bad, found, help, exit: refusal.code.into() });
    }

    fn directory(&mut self, settings: &Settings) {
        match files::bundle(settings) {
            Ok(bundle) => {
                let migrations = count(bundle.migrations.len(), "migration");
                self.good(
                    "directory",
                    format!("{}: {migrations}, {}", settings.dir.display(), bundle.format),
                );
            }
            Err(fault) => self.bad("directory", &fault),
        }
    }

    async fn server(&mut self, settings: &Settings, session: &mut dyn Session) -> Result<()> {
        let server = session.facts(&[]).await?.server;
        self.good(
            "server",
            format!("{} {}, database {}", server.engine, server.version_text, server.database),
        );
        self.good("role", server.role.clone());
        self.tls(session).await?;
        self.checks(settings, session, &server).await?;
        self.records(session).await
    }

    async fn tls(&mut self, session: &mut dyn Session) -> Result<()> {
        let words = words(session.dialect());
        let rows = session.rows(words.tls, 1).await?.rows;
        match rows.first().map(Vec::as_slice) {
            Some([Some(version), Some(cipher), _]) => self.good("tls", format!("{version}, {cipher}")),
            Some([.., Some(socket)]) if socket.starts_with('t') => {
                self.good("tls", "not needed: a local socket".to_owned());
            }
            _ => self.doubtful("tls", "the connection is not encrypted".to_owned(), words.encrypt),
        }
        Ok(())
    }

    /// The same checks as before a change: those that there are, and those of the environment as they are written
    /// there. What nobody asked for keeps no `apply` from going on, so it is said and is no failure.
    async fn checks(
        &mut self,
        settings: &Settings,
        session: &mut dyn Session,
        server: &Server,
    ) -> Result<()> {
        let wanted = BeforeFlags::default().checks(settings, &[])?;
        let is_wanted = |id: &str| wanted.iter().any(|asked| asked.check.id == id);
        let table = CHECKS.iter().copied();
        let others = table.filter(|check| check.takes != Takes::Sql && !is_wanted(check.id));
        let others = others.map(Asked::plain);
        let all: Vec<Asked> = others.chain(wanted.iter().cloned()).collect();
        let ground = Ground { server: Some(server), ..Ground::default() };
        for Checked { asked, verdict } in precheck::look(session, &all, &ground).await? {
            let id = asked.check.id;
            let title = if id == "connection" { "writes".to_owned() } else { asked.title() };
            let must = matches!(id, "permissions" | "pooler") || is_wanted(id);
            match verdict {
                Verdict::Holds(found) => self.good(title, found),
                Verdict::Doubtful(found) => self.doubtful(title, found, ""),
                Verdict::Fails(why) | Verdict::Unread(why) if must => {
                    let grants = why.notes.join(" ");
                    let why = if grants.is_empty() { *why } else { why.help(grants) };
                    self.bad(title, &why.into());
                }
                Verdict::Fails(why) | Verdict::Unread(why) => {
                    let cause = why.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
                    let found = format!("{}{cause}", why.what);
                    self.doubtful(title, found, why.help.as_deref().unwrap_or_default());
                }
            }
        }
        Ok(())
    }

    async fn records(&mut self, session: &mut dyn Session) -> Result<()> {
        let Words { records, place, .. } = words(session.dialect());
        if session.rows(records, 1).await?.rows.is_empty() {
            self.good("records", format!("{place}: not there yet, the first apply makes it"));
            return Ok(());
        }
        let applied = session.history().await?.iter().filter(|a| a.in_force()).count();
        self.good("records", format!("{place}: {} in force", count(applied, "migration")));
        match session.holder().await? {
            Some(holder) => {
                self.doubtful("lock", format!("held by {holder}"), "wait for it, or look what it does")
            }
            None => self.good("lock", "free".to_owned()),
        }
        let unfinished = session.runs(Runs::Unfinished).await?;
        match unfinished.iter().filter(|run| !cofferdam_runner::in_window(run)).count() {
            0 => self.good("runs", "all ended".to_owned()),
            runs => self.doubtful("runs", format!("{} unfinished", count(runs, "run")), "cofferdam status"),
        }
        Ok(())
    }

    fn tools(&mut self, words: &Words, path: Option<std::ffi::OsString>) {
        let folders: Vec<_> = path.iter().flat_map(std::env::split_paths).collect();
        let (there, gone): (Vec<&str>, Vec<&str>) = words
            .tools
            .iter()
            .copied()
            .partition(|tool| folders.iter().any(|folder| folder.join(tool).is_file()));
        match gone.as_slice() {
            [] => self.good("tools", there.join(", ")),
            _ => self.doubtful("tools", format!("not on PATH: {}", gone.join(", ")), ""),
        }
    }

    fn text(&self) -> String {
        let line = |c: &Check| {
            let sign = match c.state {
                Health::Good => "✔",
                Health::Doubtful => "!",
                Health::Bad => "✖",
            };
            let help =
                c.help.as_ref().map(|help| format!("\n                help: {help}")).unwrap_or_default();
            format!("{sign} {:<12}  {}{help}\n", c.name, c.found)
        };
        self.checks.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::{Code, Refusal};

    use super::*;

    #[test]
    fn the_screen_names_what_is_wrong_and_what_to_do() {
        let mut view = CheckupView::default();
        view.good("directory", "migrations: 2 migrations, flyway".into());
        let refusal = Refusal::new(Code::ConnectFailed, "postgres://u:canary@h cannot be reached")
            .cause("connection refused")
            .help("cofferdam wait --timeout 60s");
        view.bad("connection", &refusal.into());
        view.doubtful("tools", "not on PATH: psql".into(), "");
        insta::assert_snapshot!(view.text());
        assert_eq!(view.checks[1].exit, Code::ConnectFailed.into());
    }

    #[test]
    fn tools_are_looked_for_on_the_path() {
        let mut view = CheckupView::default();
        view.tools(&POSTGRESQL, Some("/nowhere/at/all".into()));
        assert_eq!(view.checks[0].state, Health::Doubtful);
    }
}
