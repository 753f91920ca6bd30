//! The way from one version to another: its legs, and the scripts of each in order.

use cofferdam_core::{Code, Refusal};

use crate::config::{self, Config, DatabaseType};
use crate::layout::{Edition, Project, Step};
use crate::matrix::Matrix;
use crate::release::Release;
use crate::script::Item;
use crate::stage::Stage;

/// The way from one version to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The project.
    pub project: String,
    /// The type of database whose scripts these are.
    pub kind: DatabaseType,
    /// One after the other; none where there is nothing to do.
    pub legs: Vec<Leg>,
}

/// From one version to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Leg {
    /// What is done.
    pub kind: LegKind,
    /// The version before; `None` for an installation.
    pub from: Option<Release>,
    /// The version after.
    pub to: Release,
    /// The stages that have a script or a check, in the order in which they run.
    pub stages: Vec<StageRun>,
}

/// What a leg does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegKind {
    /// Makes a database of this version.
    Install,
    /// Brings it to a later version.
    Upgrade,
    /// Takes it back to an earlier one.
    Rollback,
}

/// One stage of a leg.
#[derive(Debug, Clone, PartialEq)]
pub struct StageRun {
    /// The stage.
    pub stage: Stage,
    /// Its scripts in order.
    pub tasks: Vec<Task>,
    /// What proves the stage as a whole, after its scripts. None for a rollback.
    pub checks: Vec<Item>,
}

/// One script of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What runs: the rollback itself, where the leg is one.
    pub script: Item,
    /// What takes it back. For a rollback: the script that it takes back.
    pub other_way: Option<Item>,
    /// What proves it. None for a rollback.
    pub validation: Option<Item>,
}

impl Project {
    /// From nothing to a version: its own installation, or that of an earlier version and upgrades from there.
    ///
    /// # Errors
    /// Those of [`Matrix::install`] and of reading the configuration; `WrongDatabaseType`; `MissingUpgrade`.
    pub fn install(&self, to: &Release, kind: DatabaseType) -> Result<Route, Box<Refusal>> {
        let installable = self.editions.values().filter(|edition| edition.install(kind).is_some());
        let path = self.matrix(kind)?.install(to, installable.map(|edition| &edition.release))?;
        let mut legs = Vec::new();
        if let Some(edition) = path.first().and_then(|first| self.editions.get(first)) {
            let (kind_of_leg, from, to) = (LegKind::Install, None, edition.release.clone());
            legs.push(Leg { kind: kind_of_leg, from, to, stages: forwards(edition.install(kind)) });
        }
        legs.extend(self.upgrades(&path, kind)?);
        Ok(Route { project: self.name.clone(), kind, legs })
    }

    /// From one version to a later one.
    ///
    /// # Errors
    /// Those of [`Matrix::upgrade`] and of reading the configuration; `WrongDatabaseType`; `MissingUpgrade`.
    pub fn upgrade(&self, from: &Release, to: &Release, kind: DatabaseType) -> Result<Route, Box<Refusal>> {
        let path = self.matrix(kind)?.upgrade(from, to)?;
        Ok(Route { project: self.name.clone(), kind, legs: self.upgrades(&path, kind)? })
    }

    /// From one version back to an earlier one: the rollbacks of each upgrade, the last script first.
    ///
    /// # Errors
    /// Those of [`Matrix::rollback`] and of reading the configuration; `WrongDatabaseType`; `MissingUpgrade`;
    /// `MissingRollback` for a script that nothing takes back.
    pub fn rollback(&self, from: &Release, to: &Release, kind: DatabaseType) -> Result<Route, Box<Refusal>> {
        let path = self.matrix(kind)?.rollback(from, to)?;
        let legs = path.windows(2).map(|pair| {
            let [from, to] = pair else { return Ok(None) };
            let edition = self.with_upgrade(from, to)?;
            let stages = match edition.steps.get(&(Some(to.clone()), kind)) {
                Some(step) => backwards(step, kind)?,
                None => Vec::new(),
            };
            Ok(Some(Leg { kind: LegKind::Rollback, from: Some(from.clone()), to: to.clone(), stages }))
        });
        let legs = legs.collect::<Result<Vec<_>, Box<Refusal>>>()?.into_iter().flatten().collect();
        Ok(Route { project: self.name.clone(), kind, legs })
    }

    /// The configuration.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn configured(&self) -> Result<&Config, Box<Refusal>> {
        self.config.as_ref().ok_or_else(|| {
            let why = self.findings.iter().find(|finding| finding.path.ends_with(config::FILE));
            Box::new(why.map_or_else(
                || Refusal::new(Code::BadProjectConfig, format!("{} has no configuration", self.dir)),
                |finding| finding.refusal.clone(),
            ))
        })
    }

    fn matrix(&self, kind: DatabaseType) -> Result<Matrix, Box<Refusal>> {
        let config = self.configured()?;
        let types = config.types();
        if types.contains(&kind) {
            return Ok(Matrix::of(config));
        }
        let ids: Vec<&str> = types.iter().map(|kind| kind.id()).collect();
        let what = format!("{} has no database of type {kind}", self.name);
        let refusal = Refusal::new(Code::WrongDatabaseType, what).cause(format!("it has {}", ids.join(", ")));
        Err(Box::new(match ids.first() {
            Some(first) => refusal.help(format!("--database-type {first}")),
            None => refusal,
        }))
    }

    /// The legs of a path, whatever the matrix says of it.
    pub(crate) fn upgrades(&self, path: &[Release], kind: DatabaseType) -> Result<Vec<Leg>, Box<Refusal>> {
        let legs = path.windows(2).map(|pair| {
            let [from, to] = pair else { return Ok(None) };
            let edition = self.with_upgrade(to, from)?;
            let stages = forwards(edition.steps.get(&(Some(from.clone()), kind)));
            Ok(Some(Leg { kind: LegKind::Upgrade, from: Some(from.clone()), to: to.clone(), stages }))
        });
        Ok(legs.collect::<Result<Vec<_>, Box<Refusal>>>()?.into_iter().flatten().collect())
    }

    /// The version, which has a directory for upgrades from the other one.
    fn with_upgrade(&self, release: &Release, from: &Release) -> Result<&Edition, Box<Refusal>> {
        self.editions.get(release).filter(|edition| edition.upgrades.contains_key(from)).ok_or_else(|| {
            let what = format!("the matrix leads from {from} to {release}, and there are no scripts for it");
            Box::new(
                Refusal::new(Code::MissingUpgrade, what)
                    .cause(format!("{}/versions/{release}/upgrade/from-{from}/ is not there", self.dir))
                    .help(format!("cofferdam verify --project {} says what else is missing", self.name)),
            )
        })
    }
}

fn stages(step: &Step) -> Vec<Stage> {
    let mut stages: Vec<Stage> = step.items.iter().filter_map(|item| item.stage).collect();
    stages.sort();
    stages.dedup();
    stages
}

fn forwards(step: Option<&Step>) -> Vec<StageRun> {
    let Some(step) = step else { return Vec::new() };
    let run = |stage: Stage| {
        let task = |item: &Item| Task {
            script: item.clone(),
            other_way: step.rollback_of(item).cloned(),
            validation: step.validation_of(item).cloned(),
        };
        let tasks = step.forwards().filter(|item| item.stage == Some(stage)).map(task).collect();
        StageRun { stage, tasks, checks: step.checks_of(stage).cloned().collect() }
    };
    stages(step).into_iter().map(run).collect()
}

fn backwards(step: &Step, kind: DatabaseType) -> Result<Vec<StageRun>, Box<Refusal>> {
    let mut runs = Vec::new();
    for stage in stages(step).into_iter().rev() {
        let mut tasks = Vec::new();
        for item in step.forwards().filter(|item| item.stage == Some(stage)) {
            let rollback = match step.rollback_of(item).filter(|item| !item.is_blank(kind.is_sql())) {
                Some(rollback) => rollback,
                // migrate-mongo's `down`: the script is its own way back.
                None if !kind.is_sql() && item.has_down() => item,
                None => {
                    let path = &item.script.path;
                    return Err(Box::new(
                        Refusal::new(Code::MissingRollback, format!("{path} cannot be taken back"))
                            .cause(format!(
                                "{}/rollback/ has no script with the number {} that does anything",
                                step.dir, item.digits
                            ))
                            .help("write it, or roll forward to a version that repairs what is wrong"),
                    ));
                }
            };
            tasks.push(Task { script: rollback.clone(), other_way: Some(item.clone()), validation: None });
        }
        tasks.reverse();
        if !tasks.is_empty() {
            runs.push(StageRun { stage, tasks, checks: Vec::new() });
        }
    }
    Ok(runs)
}
