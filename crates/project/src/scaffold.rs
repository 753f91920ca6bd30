//! New scripts: the change, its rollback and its validation, named and numbered as the gate wants them.

use std::collections::BTreeMap;

use cofferdam_core::{Code, Refusal, Script};
use cofferdam_formats::Tree;

use crate::config::{self, Config, DatabaseType};
use crate::gate::{directory, file_name};
use crate::layout::{self, Edition, Project, Step};
use crate::release::Release;
use crate::script::{Item, Role};
use crate::stage::{INSTALL, INSTALL_MONGODB, Stage, UPGRADE};

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// The project; one that is not there yet is begun.
    pub project: &'a str,
    /// The version that the scripts lead to.
    pub version: &'a str,
    /// What they do, for their names.
    pub name: &'a str,
    /// The version that they upgrade from; `None`: the one that fits, or an installation where none is earlier.
    pub from: Option<&'a str>,
    /// The directory of the stage; `None`: `schema` or `schema-changes`.
    pub stage: Option<&'a str>,
    /// The type of the database; `None`: that of the project's first.
    pub database_type: Option<&'a str>,
    /// Now, as 14 digits: the number of a script for MongoDB.
    pub moment: &'a str,
}

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Where, as the user would type it.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// What is to be written, and what is left for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaffold {
    /// The files.
    pub files: Vec<NewFile>,
    /// A line each: what is to be added to files that are there already.
    pub notes: Vec<String>,
}

/// The files of a new script.
///
/// # Errors
/// `Usage` for what does not fit together, `BadProjectVersion`, `WrongDatabaseType`, and what makes the
/// configuration of the project unreadable.
pub fn scripts(tree: &Tree, request: Request<'_>) -> Result<Scaffold, Box<Refusal>> {
    if !config::is_name(request.project) {
        return Err(usage(format!("{:?} is no name for a project", request.project))
            .help("write small letters, digits and - only, 63 at most")
            .into());
    }
    let there = layout::projects(tree).iter().any(|name| name == request.project);
    let project = if there { Some(Project::read(tree, request.project)?) } else { None };
    let config = match &project {
        Some(project) => Some(project.configured()?),
        None => None,
    };
    let planned = Planned::new(tree, request, project.as_ref(), config)?;
    let mut files = Vec::new();
    let mut notes = Vec::new();
    match config {
        None => files.push(planned.configuration()),
        Some(config) => notes.extend(planned.matrix_lines(config)),
    }
    files.extend(planned.files(request)?);
    Ok(Scaffold { files, notes })
}

fn usage(what: impl Into<String>) -> Refusal {
    Refusal::new(Code::Usage, what)
}

/// Where the scripts go.
struct Planned<'a> {
    project: &'a str,
    dir: String,
    release: Release,
    from: Option<Release>,
    kind: DatabaseType,
    stage: Stage,
    step: Step,
}

impl<'a> Planned<'a> {
    fn new(
        tree: &Tree,
        request: Request<'a>,
        project: Option<&Project>,
        config: Option<&Config>,
    ) -> Result<Self, Box<Refusal>> {
        let kind = kind(request, config)?;
        let asked = version(request.version)?;
        // As it is written already, where it is.
        let known =
            project.and_then(|project| project.editions.get_key_value(&asked)).map(|(release, _)| release);
        let entry =
            config.and_then(|config| config.entries.get_key_value(&asked)).map(|(release, _)| release);
        let release = known.or(entry).unwrap_or(&asked).clone();
        let edition = project.and_then(|project| project.editions.get(&release));
        let installs = if kind.is_sql() { INSTALL } else { INSTALL_MONGODB };
        let stage = request.stage.map(|dir| stage(dir, installs)).transpose()?;
        let from = match (request.from, stage) {
            (Some(from), _) => Some(version(from)?),
            (None, Some(stage)) if installs.iter().any(|(install, _)| *install == stage) => None,
            (None, stage) => {
                let from = before(&release, edition, project, config)?;
                if stage.is_some() && from.is_none() {
                    return Err(usage(format!("no version before {release} is there to upgrade from"))
                        .help(format!("the stages of an installation are {}", names(installs)))
                        .into());
                }
                from
            }
        };
        if let Some(from) = &from
            && *from >= release
        {
            return Err(usage(format!("{release} is not newer than {from}"))
                .help("an upgrade leads to a newer version; its rollback/ leads back")
                .into());
        }
        let stages = if from.is_some() { UPGRADE } else { installs };
        let usual = if from.is_some() { Stage::SchemaChanges } else { installs[0].0 };
        let stage = stage.unwrap_or(usual);
        if !stages.iter().any(|(one, _)| *one == stage) {
            return Err(usage(format!(
                "{stage} is no stage of {}",
                if from.is_some() { "an upgrade" } else { "an installation" }
            ))
            .help(format!("--stage takes {}", names(stages)))
            .into());
        }
        let dir = tree.typed(&format!("{}/{}", layout::PROJECTS, request.project));
        let there = edition.and_then(|edition| edition.steps.get(&(from.clone(), kind)));
        let step = there.cloned().unwrap_or_else(|| {
            let below = match &from {
                None => format!("new-install/{kind}"),
                Some(from) => format!("upgrade/from-{from}{}", type_level(kind, config)),
            };
            Step { dir: format!("{dir}/versions/{release}/{below}"), items: Vec::new() }
        });
        Ok(Self { project: request.project, dir, release, from, kind, stage, step })
    }

    fn files(&self, request: Request<'_>) -> Result<Vec<NewFile>, Box<Refusal>> {
        let digits = if self.kind.is_sql() { self.number()? } else { request.moment.to_owned() };
        let word = |c: char| c.is_alphanumeric() || c == '.';
        let description: Vec<&str> =
            request.name.split(|c| !word(c)).filter(|part| part.contains(char::is_alphanumeric)).collect();
        if description.is_empty() {
            return Err(usage(format!("{:?} is no name for a script", request.name))
                .help("say what it does: add_orders_table")
                .into());
        }
        let item = Item {
            role: Role::Forward,
            stage: Some(self.stage),
            number: digits.parse().unwrap_or_default(),
            digits,
            description: description.join(" "),
            script: Script::new("", ""),
        };
        let name = |role| file_name(&item, role, self.kind, &self.release);
        let forward = name(Role::Forward);
        let file = |role: Role| {
            let dir = match role {
                Role::Forward => self.stage.dir().to_owned(),
                role => directory(role, self.kind, &self.step),
            };
            NewFile {
                path: format!("{}/{dir}/{}", self.step.dir, name(role)),
                text: self.text(role, &item.description, &forward),
            }
        };
        Ok([Role::Forward, Role::Rollback, Role::Validation].map(file).to_vec())
    }

    /// Comments alone: the gate takes the file for unwritten until there is a statement in it.
    fn text(&self, role: Role, description: &str, forward: &str) -> String {
        let way = match &self.from {
            Some(from) => format!("upgrade from {from} to {}", self.release),
            None => format!("installation of {}", self.release),
        };
        let lines = match role {
            Role::Forward => {
                let mut lines = vec![
                    format!("Description: {description}"),
                    format!("{}, {way}, {}.", self.project, self.stage),
                ];
                lines.push(
                    "Safe to run twice. No BEGIN or COMMIT: the runner opens the transaction.".to_owned(),
                );
                lines
            }
            Role::Rollback => vec![format!("Takes back {forward}.")],
            Role::Validation if self.kind.is_sql() => {
                vec![format!("Queries that must return no row once {forward} has run.")]
            }
            Role::Validation => vec![format!("Throws unless {forward} has done its work.")],
        };
        let mark = if self.kind.is_sql() { "--" } else { "//" };
        lines.iter().map(|line| format!("{mark} {line}\n")).collect()
    }

    /// The number behind the last of its stage, or where the stage begins; between those of the stages around it.
    fn number(&self) -> Result<String, Box<Refusal>> {
        let stages = if self.from.is_some() { UPGRADE } else { INSTALL };
        let begin = stages.iter().find(|(stage, _)| *stage == self.stage).map_or(1, |(_, begin)| *begin);
        let there = || self.step.forwards().filter_map(|item| Some((item.stage?, item.number)));
        let last = there().filter(|(stage, _)| *stage <= self.stage).map(|(_, number)| number).max();
        let next = there().filter(|(stage, _)| *stage > self.stage).map(|(_, number)| number).min();
        let behind = last.map_or(0, |last| last.saturating_add(1));
        let own = there().any(|(stage, _)| stage == self.stage);
        let number = if own { behind } else { behind.max(begin) };
        let number = match next {
            Some(next) if number >= next => behind,
            _ => number,
        };
        match next {
            Some(next) if number >= next => Err(usage(format!("there is no number left for a script of {}", self.stage))
                .cause(format!("a later stage begins with {next:03}, and scripts run in the order of their numbers"))
                .help("give the scripts of the later stage higher numbers first; nothing that was deployed is renamed")
                .into()),
            _ => Ok(format!("{number:03}")),
        }
    }

    fn configuration(&self) -> NewFile {
        let mut entries = BTreeMap::new();
        entries.insert(&self.release, self.from.as_ref());
        let text = format!(
            "apiVersion: v1
kind: ProjectConfig
metadata:
  name: {project}

spec:
  databases:
    primary:
      type: {kind}
      name: {database}
      schemas: [public]

  migration:
    policies:
      require_rollback: true
      require_validation: true
      dry_run_first: true
      backup_before_upgrade: true

  compatibility_matrix:
    {release}:
      upgrades_to: []
      rollback_to: []
",
            project = self.project,
            kind = self.kind,
            database = self.project.replace('-', "_"),
            release = self.release,
        );
        NewFile { path: format!("{}/{}", self.dir, config::FILE), text }
    }

    /// What the matrix still has to say for these scripts to be used.
    fn matrix_lines(&self, config: &Config) -> Vec<String> {
        let to = &self.release;
        let mut lines = Vec::new();
        if let Some(from) = &self.from {
            let allowed =
                config.entries.get(from).is_some_and(|e| e.upgrades_to.iter().any(|t| t.release == *to));
            if !allowed {
                lines.push(format!("add \"{to}\" to upgrades_to of {from} in {}", config.path));
            }
        }
        let back = self.from.iter().map(|from| format!("\"{from}\"")).collect::<Vec<_>>().join(", ");
        match (config.entries.get(to), &self.from) {
            (None, _) => lines.push(format!(
                "add to compatibility_matrix: {to}: {{upgrades_to: [], rollback_to: [{back}]}}"
            )),
            (Some(entry), Some(from)) if !entry.rollback_to.iter().any(|t| t.release == *from) => {
                lines.push(format!("add \"{from}\" to rollback_to of {to}"));
            }
            _ => {}
        }
        lines
    }
}

fn version(text: &str) -> Result<Release, Box<Refusal>> {
    Release::parse(text).map_err(|why| {
        Box::new(
            Refusal::new(Code::BadProjectVersion, format!("{text:?} is no version of a project"))
                .cause(why)
                .help("write three numbers: v1.1.0"),
        )
    })
}

fn kind(request: Request<'_>, config: Option<&Config>) -> Result<DatabaseType, Box<Refusal>> {
    let types = config.map(Config::types).unwrap_or_default();
    let Some(id) = request.database_type else {
        return Ok(types.first().copied().unwrap_or(DatabaseType::Postgresql));
    };
    let asked = DatabaseType::of(id).filter(|kind| types.is_empty() || types.contains(kind));
    asked.ok_or_else(|| {
        let fitting = if types.is_empty() { DatabaseType::ALL.to_vec() } else { types };
        let ids: Vec<&str> = fitting.iter().map(|kind| kind.id()).collect();
        Box::new(
            Refusal::new(
                Code::WrongDatabaseType,
                format!("{} has no database of type {id}", request.project),
            )
            .help(format!("--database-type takes {}", ids.join(", "))),
        )
    })
}

fn stage(dir: &str, installs: &[(Stage, u128)]) -> Result<Stage, Box<Refusal>> {
    Stage::of(dir, installs).or_else(|| Stage::of(dir, UPGRADE)).ok_or_else(|| {
        usage(format!("there is no stage {dir}"))
            .help(format!("an installation has {}, an upgrade has {}", names(installs), names(UPGRADE)))
            .into()
    })
}

fn names(stages: &[(Stage, u128)]) -> String {
    stages.iter().map(|(stage, _)| stage.dir()).collect::<Vec<_>>().join(", ")
}

/// The version that an upgrade to `release` begins at: of its directory, else of the matrix, else the newest that is
/// older. `None` where there is none, and the scripts are those of an installation.
fn before(
    release: &Release,
    edition: Option<&Edition>,
    project: Option<&Project>,
    config: Option<&Config>,
) -> Result<Option<Release>, Box<Refusal>> {
    let of_directory: Vec<Release> = edition.into_iter().flat_map(|e| e.upgrades.keys().cloned()).collect();
    let of_matrix: Vec<Release> = config
        .into_iter()
        .flat_map(|config| &config.entries)
        .filter(|(from, entry)| *from < release && entry.upgrades_to.iter().any(|t| t.release == *release))
        .map(|(from, _)| from.clone())
        .collect();
    let candidates = if of_matrix.is_empty() { of_directory } else { of_matrix };
    match candidates.as_slice() {
        [one] => return Ok(Some(one.clone())),
        [_, ..] => {
            let list: Vec<String> = candidates.iter().map(Release::to_string).collect();
            return Err(usage(format!("{release} can be upgraded to from {}", list.join(" and ")))
                .help(format!("say which: --from-version {}", list[0]))
                .into());
        }
        [] => {}
    }
    if edition.is_some_and(Edition::is_installable) {
        return Ok(None);
    }
    let present = project.into_iter().flat_map(|project| project.editions.keys());
    Ok(present.filter(|other| *other < release).max().cloned())
}

/// A directory of the type, where two databases speak SQL.
fn type_level(kind: DatabaseType, config: Option<&Config>) -> String {
    let sql = config.map(|config| config.types().iter().filter(|kind| kind.is_sql()).count());
    if kind.is_sql() && sql > Some(1) { format!("/{kind}") } else { String::new() }
}
