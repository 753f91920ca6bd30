//! What a command works on: flags, environment variables and `cofferdam.yaml`, merged.
//!
//! Order: flag, `COFFERDAM_*` (clap reads these as flags), `DATABASE_URL`, `PG*`, `cofferdam.yaml`, default. An
//! environment that is chosen with `--env` counts as a flag: whoever asks for `prod` must not get the database
//! of a `DATABASE_URL` that is left over in the shell.

mod file;
pub(crate) mod guard;
pub(crate) mod notifications;
mod reference;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::{Bundle, Code, Name, Refusal, Result};
use cofferdam_engines::{Keeping, Target};

use crate::args::Common;
use crate::args::backup::BackupSettings;
use crate::args::ledger::Where;
use crate::args::park::DropPolicy;
use crate::linting::levels::LintKeys;
use crate::wiring;
pub(crate) use file::ApprovalRule;
pub(crate) use file::Aws;
use file::{Environment, File};
use notifications::Notifications;

/// Where migrations are looked for when nothing says otherwise.
pub(crate) const DEFAULT_DIRECTORY: &str = "migrations";

/// Set for any of these, PostgreSQL's own variables name the database.
const SERVER_VARIABLES: &[&str] = &["PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE"];

/// What a command works on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Settings {
    /// The database's URL, references resolved; `None`: the `PG*` variables say.
    pub(crate) url: Option<String>,
    /// The databases of a project that has several: references, by their names in project-config.yaml.
    pub(crate) databases: BTreeMap<String, String>,
    /// A database is named in one way or another.
    pub(crate) has_database: bool,
    /// The directory with the migrations.
    pub(crate) dir: PathBuf,
    /// Nobody named the directory: it is the default one.
    pub(crate) dir_is_default: bool,
    /// The directory's format, where it is named.
    pub(crate) format: Option<String>,
    /// Values for its placeholders.
    pub(crate) placeholders: BTreeMap<String, String>,
    /// See [`crate::args::Common`].
    pub(crate) history: Option<Where>,
    /// See [`crate::args::Common`].
    pub(crate) tool: Option<String>,
    /// See [`crate::args::Common`].
    pub(crate) history_table: Option<Name>,
    /// See [`crate::args::policy::PolicyFlags`].
    pub(crate) out_of_order: bool,
    /// The strategy, where the environment names one.
    pub(crate) strategy: Option<String>,
    /// See [`crate::args::limits::LimitFlags`].
    pub(crate) lock_timeout: Option<Duration>,
    /// See [`crate::args::limits::LimitFlags`].
    pub(crate) lock_tries: Option<u32>,
    /// See [`crate::args::limits::LimitFlags`].
    pub(crate) max_block: Option<Duration>,
    /// See [`crate::args::limits::LimitFlags`].
    pub(crate) lock_wait: Option<Duration>,
    /// Logins by IAM.
    pub(crate) aws: Option<Aws>,
    /// The Pushgateway that is told how a run ended.
    pub(crate) push_metrics: Option<String>,
    /// See [`crate::args::before::BeforeFlags`].
    pub(crate) checks: Vec<String>,
    /// See [`crate::args::before::BeforeFlags`].
    pub(crate) approval: ApprovalRule,
    /// See [`crate::args::online::OnlineFlags`].
    pub(crate) sample: Option<u8>,
    /// See [`crate::args::online::OnlineFlags`].
    pub(crate) checksum: Option<bool>,
    /// See [`crate::args::park::ParkFlags`].
    pub(crate) drop: Option<DropPolicy>,
    /// See [`crate::args::park::ParkFlags`].
    pub(crate) park_for: Option<Duration>,
    /// See [`crate::args::backup::BackupFlags`].
    pub(crate) backup: BackupSettings,
    /// What is watched at every run.
    pub(crate) guard: guard::GuardKeys,
    /// The names of the environments in cofferdam.yaml.
    pub(crate) environments: Vec<String>,
    /// The one that was chosen.
    pub(crate) environment: Option<String>,
    /// Who is told of runs: the environment's, else those at the top.
    pub(crate) notifications: Option<Notifications>,
    /// How lint judges: the environment's, else what stands at the top.
    pub(crate) lint: LintKeys,
    /// See [`crate::throwaway::DevUrl`].
    pub(crate) dev_url: Option<String>,
}

impl Settings {
    /// Merges flags, the process's environment and the cofferdam.yaml of the current directory.
    ///
    /// # Errors
    /// `BadConfig`, and `UnreadableFile` for a reference that leads nowhere.
    pub(crate) fn load(common: &Common) -> Result<Self> {
        let file = file::read(Path::new("."))?;
        Self::merged(common, &|name| std::env::var(name).ok().filter(|v| !v.is_empty()), file)
    }

    /// As [`Settings::load`], for an environment that a project is deployed to. Where cofferdam.yaml has no environments
    /// at all, as in a container whose variables name the database, it is a name for the audit alone.
    ///
    /// # Errors
    /// See [`Settings::load`]; `Usage` for two environments.
    pub(crate) fn load_in(common: &Common, environment: Option<&str>) -> Result<Self> {
        let file = file::read(Path::new("."))?;
        let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        Self::merged_in(common, environment, &variable, file)
    }

    fn merged_in(
        common: &Common,
        environment: Option<&str>,
        variable: &dyn Fn(&str) -> Option<String>,
        file: File,
    ) -> Result<Self> {
        let Some(name) = environment else { return Self::merged(common, variable, file) };
        if let Some(other) = common.env.as_deref().filter(|other| *other != name) {
            return Err(Refusal::new(
                Code::Usage,
                format!("--env says {other}, and --environment says {name}"),
            )
            .help("give one of the two")
            .into());
        }
        let env = (!file.environments.is_empty()).then(|| name.to_owned());
        let settings = Self::merged(&Common { env, ..common.clone() }, variable, file)?;
        Ok(Self { environment: Some(name.to_owned()), ..settings })
    }

    /// These settings for one database of a project. Its own URL counts before that of the environment; `one`: there is
    /// no other, so that the environment's will do.
    ///
    /// # Errors
    /// Those of a reference. `Ok(None)` where it has no URL.
    pub(crate) fn of_database(&self, name: &str, one: bool) -> Result<Option<Self>> {
        let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        match self.databases.get(name) {
            Some(text) => {
                let url = Some(reference::resolved(text, &variable)?);
                Ok(Some(Self { url, has_database: true, ..self.clone() }))
            }
            None if one => Ok(Some(self.clone())),
            None => Ok(None),
        }
    }

    fn merged(common: &Common, variable: &dyn Fn(&str) -> Option<String>, file: File) -> Result<Self> {
        let environments: Vec<String> = file.environments.keys().cloned().collect();
        let chosen = match &common.env {
            None => Environment::default(),
            Some(name) => file
                .environments
                .get(name)
                .cloned()
                .ok_or_else(|| unknown_environment(name, &environments))?,
        };
        let by_libpq = SERVER_VARIABLES.iter().any(|name| variable(name).is_some());
        let url = common.url.clone().or(chosen.url).or_else(|| variable("DATABASE_URL"));
        let url = url.map(|url| reference::resolved(&url, variable)).transpose()?;
        let dir = common.dir.clone().or(chosen.dir).or(file.dir);
        Ok(Self {
            has_database: url.is_some() || by_libpq,
            url,
            databases: chosen.databases,
            dir_is_default: dir.is_none(),
            dir: dir.unwrap_or_else(|| PathBuf::from(DEFAULT_DIRECTORY)),
            format: common.format.clone().or(chosen.format).or(file.format),
            placeholders: [file.placeholders, chosen.placeholders]
                .into_iter()
                .flatten()
                .chain(common.placeholder.iter().cloned())
                .collect(),
            history: common.history.or(chosen.history).or(file.history),
            tool: common.tool.clone().or(chosen.tool).or(file.tool),
            history_table: common.history_table.clone().or(chosen.history_table).or(file.history_table),
            out_of_order: chosen.out_of_order,
            strategy: chosen.strategy,
            lock_timeout: chosen.lock_timeout,
            lock_tries: chosen.lock_tries,
            max_block: chosen.max_block,
            lock_wait: chosen.lock_wait,
            aws: match (&common.aws_region, chosen.aws) {
                (Some(region), aws) => Some(Aws { region: region.clone(), ..aws.unwrap_or_default() }),
                (None, aws) => aws,
            },
            push_metrics: chosen.push_metrics,
            checks: chosen.checks,
            approval: chosen.approval,
            sample: chosen.sample,
            checksum: chosen.checksum,
            drop: chosen.drop,
            park_for: chosen.park_for,
            backup: chosen.backup,
            guard: chosen.guard,
            environments,
            environment: common.env.clone(),
            notifications: chosen.notifications.or(file.notifications),
            lint: chosen.lint.or(file.lint).unwrap_or_default(),
            dev_url: chosen.dev_url.map(|url| reference::resolved(&url, variable)).transpose()?,
        })
    }

    /// What a flag names: the text itself, or what `env:NAME` and `file:PATH` lead to.
    ///
    /// # Errors
    /// Those of a reference.
    pub(crate) fn resolved(text: &str) -> Result<String> {
        reference::resolved(text, &|name: &str| std::env::var(name).ok().filter(|v| !v.is_empty()))
    }

    /// How the database is reached by sessions of this name.
    pub(crate) fn target(&self, application: impl Into<String>) -> Target {
        Target {
            url: self.url.clone(),
            application: application.into(),
            who: wiring::who(self.environment.as_deref()),
            logins: self.aws.as_ref().map(crate::logins::of),
        }
    }

    /// How the history of what is applied is kept, for this directory; `None`: none is at hand.
    pub(crate) fn keeping(&self, bundle: Option<&Bundle>) -> Keeping {
        // That a directory of pairs is golang-migrate's is said by nothing but the name that is given to its form.
        let tool = self.tool.clone().or_else(|| self.format.clone().filter(|id| id == "golang-migrate"));
        let keeping = Keeping {
            kept: self.history.map(Into::into),
            tool,
            table: self.history_table.clone(),
            root: self.dir.display().to_string(),
            ..Keeping::default()
        };
        match bundle {
            Some(bundle) => Keeping { bundle: Arc::new(bundle.clone()), ..keeping },
            None => keeping,
        }
    }

    /// Refuses when no database is named.
    ///
    /// # Errors
    /// `NoUrl`, naming the environments that there are.
    pub(crate) fn need_database(&self) -> Result<()> {
        if self.has_database {
            return Ok(());
        }
        let refusal = Refusal::new(Code::NoUrl, "no database is named");
        Err(match self.environments.first() {
            Some(first) => refusal
                .cause("neither --url nor --env is given, and DATABASE_URL is not set")
                .help(format!("choose an environment of cofferdam.yaml: --env {first}"))
                .note(format!("environments: {}", self.environments.join(", "))),
            None => refusal
                .cause("--url is not given, and neither COFFERDAM_URL, DATABASE_URL nor PGHOST is set")
                .help("--url postgres://user@host:5432/database"),
        }
        .into())
    }
}

fn unknown_environment(name: &str, environments: &[String]) -> Refusal {
    let refusal =
        Refusal::new(Code::BadConfig, format!("cofferdam.yaml has no environment {name}")).note(format!(
            "environments: {}",
            if environments.is_empty() { "none".to_owned() } else { environments.join(", ") }
        ));
    match cofferdam_formats::nearest(name, environments.iter().map(String::as_str)) {
        Some(near) => refusal.help(format!("did you mean --env {near}?")),
        None => refusal.help(format!("add it to cofferdam.yaml under environments, as {name}: {{url: ...}}")),
    }
}

#[cfg(test)]
mod tests;
