//! A project, judged, and where its databases are.

use std::collections::BTreeMap;

use cofferdam_core::{Code, Fault, Refusal, Result, Severity};
use cofferdam_formats::nearest;
use cofferdam_project::config::Database;
use cofferdam_project::{DatabaseType, Policies, Project, gate};

use super::OfFlags;
use crate::config::Settings;
use crate::context::Context;
use crate::{files, wiring};

/// So many findings of the gate are shown where it refuses.
const SHOWN: usize = 5;

/// A project and its databases.
pub(crate) struct Reached {
    pub(crate) project: Project,
    pub(crate) kind: DatabaseType,
    pub(crate) policies: Policies,
    /// Those that are meant, in the order in which they are declared.
    pub(crate) databases: Vec<One>,
}

/// One of its databases.
pub(crate) struct One {
    /// In project-config.yaml.
    pub(crate) name: String,
    /// Its name on the server, by project-config.yaml.
    pub(crate) database: String,
    pub(crate) settings: Settings,
}

/// Reads a project and finds its databases.
///
/// # Errors
/// What is wrong with the files or the flags; `NoProjectUrl`, `NoUrl`, `DatabaseTypeNotRun`.
pub(crate) fn reach(context: &Context, name: &str, of: &OfFlags) -> Result<Reached> {
    let settings = Settings::load_in(&context.common, of.environment.as_deref())?;
    if settings.environments.is_empty()
        && let Some(environment) = &of.environment
    {
        context.console.note(&format!(
            "note: cofferdam.yaml names no environments here: {environment} is a name for the audit"
        ));
    }
    let tree = files::tree(&settings.dir)?;
    let project = Project::read(&tree, name).map_err(Fault::Refused)?;
    let config = project.configured().map_err(Fault::Refused)?;
    let policies = config.policies;
    let meant = meant(&project, &config.databases, of)?;
    let databases = located(context, &settings, meant)?;
    Ok(Reached { kind: DatabaseType::Postgresql, policies, databases, project })
}

impl Reached {
    /// Refuses what the gate does not pass.
    ///
    /// # Errors
    /// `GateFailed`, with the first findings.
    pub(crate) fn refuse_unless_passed(&self) -> Result<()> {
        let verdict = gate(&self.project);
        if verdict.passed() {
            return Ok(());
        }
        let errors = verdict.count(Severity::Error);
        let name = &self.project.name;
        let mut refusal = Refusal::new(Code::GateFailed, format!("{name} does not pass its gate"))
            .cause(format!("{errors} error{}; nothing was changed", if errors == 1 { "" } else { "s" }))
            .help(format!("cofferdam verify --project {name} shows all of it"));
        let wrong = verdict.findings.iter().filter(|finding| finding.severity == Severity::Error);
        for finding in wrong.take(SHOWN) {
            refusal = refusal.note(format!("{}: {}", finding.refusal.code.id(), finding.refusal.what));
        }
        Err(refusal.into())
    }
}

/// The databases that the flags mean. All of them must be of a type whose scripts are run.
fn meant<'a>(
    project: &Project,
    all: &'a [(String, Database)],
    of: &OfFlags,
) -> Result<Vec<&'a (String, Database)>> {
    for name in &of.database {
        if !all.iter().any(|(known, _)| known == name) {
            let names: Vec<&str> = all.iter().map(|(known, _)| known.as_str()).collect();
            let refusal = Refusal::new(Code::Usage, format!("{} has no database {name}", project.name))
                .cause(format!("project-config.yaml has {}", names.join(", ")));
            return Err(match nearest(name, names.iter().copied()) {
                Some(near) => refusal.help(format!("did you mean --database {near}?")),
                None => refusal.help("name one of them, or leave --database out"),
            }
            .into());
        }
    }
    let wanted = match of.database_type.as_deref() {
        None => None,
        Some(id) => Some(DatabaseType::of(id).ok_or_else(|| {
            let ids = DatabaseType::ALL.map(DatabaseType::id);
            let refusal = Refusal::new(Code::Usage, format!("there is no type of database {id}"))
                .cause(format!("the types are {}", ids.join(", ")));
            match nearest(id, ids) {
                Some(near) => refusal.help(format!("did you mean --database-type {near}?")),
                None => refusal.help("--database-type postgresql"),
            }
        })?),
    };
    let named = |name: &String| of.database.is_empty() || of.database.contains(name);
    let meant: Vec<_> = all
        .iter()
        .filter(|(name, database)| named(name) && wanted.is_none_or(|kind| kind == database.kind))
        .collect();
    if meant.is_empty() {
        let kind = wanted.map_or_else(|| "any type".to_owned(), |kind| kind.to_string());
        let types: Vec<&str> = all.iter().map(|(_, database)| database.kind.id()).collect();
        return Err(Refusal::new(
            Code::WrongDatabaseType,
            format!("{} has no such database of type {kind}", project.name),
        )
        .cause(format!("project-config.yaml has {}", types.join(", ")))
        .help("leave --database-type out")
        .into());
    }
    if let Some((name, database)) = meant.iter().find(|(_, d)| d.kind != DatabaseType::Postgresql) {
        let refusal = Refusal::new(
            Code::DatabaseTypeNotRun,
            format!("scripts for {} are not run by this version", database.kind),
        )
        .cause(format!("{name} of {} is of this type; nothing was changed", project.name));
        let others = all.iter().any(|(_, database)| database.kind == DatabaseType::Postgresql);
        return Err(match others {
            true => refusal.help("--database-type postgresql runs the others"),
            false => refusal.help(format!("cofferdam verify --project {} judges them", project.name)),
        }
        .into());
    }
    Ok(meant)
}

fn located(context: &Context, settings: &Settings, meant: Vec<&(String, Database)>) -> Result<Vec<One>> {
    let one = meant.len() == 1;
    let by_flag = context.common.url.is_some();
    if by_flag && !one {
        let names: Vec<&str> = meant.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Refusal::new(Code::NoProjectUrl, "one --url is given for several databases")
            .cause(format!("the project has {}", names.join(" and ")))
            .help(format!(
                "--database {}, or a URL for each in cofferdam.yaml",
                names.first().unwrap_or(&"NAME")
            ))
            .into());
    }
    let mut found: Vec<One> = Vec::new();
    let mut missing = Vec::new();
    let mut urls: BTreeMap<String, String> = BTreeMap::new();
    for (name, database) in meant {
        let own = if by_flag { Some(settings.clone()) } else { settings.of_database(name, one)? };
        let Some(own) = own else {
            missing.push(name.as_str());
            continue;
        };
        own.need_database()?;
        if wiring::engine(own.url.as_deref())?.id() != DatabaseType::Postgresql.to_string() {
            let what = format!("the URL of {name} is none of {}", DatabaseType::Postgresql);
            return Err(Refusal::new(Code::DatabaseTypeNotRun, what)
                .cause("project-config.yaml says what kind of database it is; nothing was changed")
                .help("correct the URL: postgres://user@host:5432/database")
                .into());
        }
        if let Some(url) = &own.url
            && let Some(other) = urls.insert(url.clone(), name.clone())
        {
            return Err(Refusal::new(Code::NoProjectUrl, format!("{other} and {name} have the same URL"))
                .cause("each database of a project is changed once")
                .help("correct databases in the environment of cofferdam.yaml")
                .into());
        }
        found.push(One { name: name.clone(), database: database.name.clone(), settings: own });
    }
    match missing.first() {
        None => Ok(found),
        Some(first) => {
            let environment = settings.environment.as_deref().unwrap_or("NAME");
            Err(Refusal::new(Code::NoProjectUrl, format!("no URL is named for {}", missing.join(", ")))
                .cause("the project has several databases; nothing was changed")
                .help(format!(
                    "in cofferdam.yaml: environments: {{{environment}: {{databases: {{{first}: env:{}_URL}}}}}}; or one by one: --database {first} --url URL",
                    first.to_uppercase().replace('-', "_")
                ))
                .into())
        }
    }
}
