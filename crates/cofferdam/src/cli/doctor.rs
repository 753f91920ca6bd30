//! `doctor`: whether Cofferdam can work with this database and directory.

use cofferdam_core::{Fault, Result};
use cofferdam_engines::{Runs, Session};
use serde::Serialize;

use super::{Command, Exit};
use crate::config::Settings;
use crate::context::Context;
use crate::files;
use crate::output::error;
use crate::output::words::count;

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
    name: &'static str,
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

/// Programs that people use beside Cofferdam; none is needed for it to work.
const TOOLS: &[&str] = &["psql", "pg_dump", "pg_restore"];

async fn doctor(context: &Context) -> Result<Exit> {
    let mut view = CheckupView::default();
    let settings = context.settings()?;
    view.directory(&settings);
    if settings.has_database {
        match context.open(&settings).await {
            Ok(mut session) => {
                view.good(
                    "connection",
                    settings.url.as_deref().map_or_else(by_variables, crate::output::mask::text),
                );
                view.server(context, &settings, &mut *session).await?;
            }
            Err(fault) => view.bad("connection", &fault),
        }
    } else {
        view.doubtful("connection", "no database is named".to_owned(), "--url postgres://user@host/database");
    }
    view.tools(std::env::var_os("PATH"));
    view.healthy = view.checks.iter().all(|c| c.state != Health::Bad);
    context.console.show("Checkup", &view, CheckupView::text);
    Ok(view.checks.iter().find(|c| c.state == Health::Bad).map_or(Exit::DONE, |c| c.exit))
}

fn by_variables() -> String {
    "as the PG* variables say".to_owned()
}

impl CheckupView {
    fn good(&mut self, name: &'static str, found: String) {
        self.checks.push(Check { name, state: Health::Good, found, help: None, exit: Exit::DONE });
    }

    fn doubtful(&mut self, name: &'static str, found: String, help: &str) {
        let help = Some(help.to_owned()).filter(|help| !help.is_empty());
        self.checks.push(Check { name, state: Health::Doubtful, found, help, exit: Exit::DONE });
    }

    fn bad(&mut self, name: &'static str, fault: &Fault) {
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

    async fn server(
        &mut self,
        context: &Context,
        settings: &Settings,
        session: &mut dyn Session,
    ) -> Result<()> {
        let server = session.facts(&[]).await?.server;
        self.good(
            "server",
            format!("{} {}, database {}", server.engine, server.version_text, server.database),
        );
        self.good("role", server.role.clone());
        if server.read_only {
            let help = "connect to the primary; apply cannot work here";
            self.doubtful(
                "writes",
                "the server takes none: a standby, or read-only by its settings".into(),
                help,
            );
        } else {
            self.good("writes", "the server takes them".to_owned());
        }
        self.tls(session).await?;
        self.rights(session).await?;
        self.pooler(context, settings, session).await?;
        self.records(session).await
    }

    async fn tls(&mut self, session: &mut dyn Session) -> Result<()> {
        const QUERY: &str = "SELECT s.version, s.cipher, a.client_addr IS NULL
            FROM pg_catalog.pg_stat_ssl s JOIN pg_catalog.pg_stat_activity a ON a.pid = s.pid
            WHERE s.pid = pg_catalog.pg_backend_pid() AND (s.ssl OR a.client_addr IS NULL)";
        let rows = session.rows(QUERY, 1).await?.rows;
        match rows.first().map(Vec::as_slice) {
            Some([Some(version), Some(cipher), _]) => self.good("tls", format!("{version}, {cipher}")),
            Some(_) => self.good("tls", "not needed: a local socket".to_owned()),
            None => {
                self.doubtful(
                    "tls",
                    "the connection is not encrypted".to_owned(),
                    "add sslmode=verify-full to the URL",
                );
            }
        }
        Ok(())
    }

    async fn rights(&mut self, session: &mut dyn Session) -> Result<()> {
        let missing = session.missing_rights(&[]).await?;
        match missing.split_first() {
            None => self.good("rights", "the role may keep the records of Cofferdam".to_owned()),
            Some((first, others)) => {
                let what: Vec<&str> = missing.iter().map(|m| m.what.as_str()).collect();
                let mut refusal = cofferdam_core::Refusal::new(
                    cofferdam_core::Code::PermissionMissing,
                    format!("missing: {}", what.join("; ")),
                );
                let grants = others.iter().fold(first.grant.clone(), |all, m| format!("{all}; {}", m.grant));
                refusal.help = Some(grants);
                self.bad("rights", &refusal.into());
            }
        }
        Ok(())
    }

    /// Two connections that are open at once have two backends, unless a pooler lends both the same one.
    async fn pooler(
        &mut self,
        context: &Context,
        settings: &Settings,
        session: &mut dyn Session,
    ) -> Result<()> {
        const QUERY: &str = "SELECT pg_catalog.pg_backend_pid()";
        let mut second = context.open(settings).await?;
        if session.rows(QUERY, 1).await?.rows == second.rows(QUERY, 1).await?.rows {
            let refusal = cofferdam_core::Refusal::new(
                cofferdam_core::Code::PoolerNotSupported,
                "two connections share a backend: a pooler in transaction mode is in between",
            )
            .help("give the server's own address, or a pooler in session mode");
            self.bad("pooler", &refusal.into());
        } else {
            self.good("pooler", "none in transaction mode was seen".to_owned());
        }
        Ok(())
    }

    async fn records(&mut self, session: &mut dyn Session) -> Result<()> {
        let there = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'cofferdam'";
        if session.rows(there, 1).await?.rows.is_empty() {
            self.good("records", "schema cofferdam is not there yet; the first apply makes it".to_owned());
            return Ok(());
        }
        let applied = session.history().await?.iter().filter(|a| a.in_force()).count();
        self.good("records", format!("schema cofferdam: {} in force", count(applied, "migration")));
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

    fn tools(&mut self, path: Option<std::ffi::OsString>) {
        let folders: Vec<_> = path.iter().flat_map(std::env::split_paths).collect();
        let (there, gone): (Vec<&str>, Vec<&str>) =
            TOOLS.iter().copied().partition(|tool| folders.iter().any(|folder| folder.join(tool).is_file()));
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
        view.tools(Some("/nowhere/at/all".into()));
        assert_eq!(view.checks[0].state, Health::Doubtful);
    }
}
