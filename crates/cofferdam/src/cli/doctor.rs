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
                view.server(&settings, &mut *session).await?;
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
        let others =
            table.filter(|check| check.takes != Takes::Sql && !is_wanted(check.id)).map(Asked::plain);
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
