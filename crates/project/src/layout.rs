//! The directories of a project, read into a model.

mod place;

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_core::{Code, Refusal};
use cofferdam_formats::{File, Tree, nearest};

use crate::config::{self, Config, DatabaseType};
use crate::finding::Finding;
use crate::name;
use crate::release::Release;
use crate::script::{Item, Role};
use crate::stage::Stage;
use place::{Place, Within};

/// Where the projects are, below the directory of the migrations.
pub(crate) const PROJECTS: &str = "projects";
/// Where the manifests are, beside it.
pub(crate) const K8S: &str = "k8s";

/// One project as it lies there.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its name, which is that of its directory.
    pub name: String,
    /// Its directory, as the user would type it.
    pub dir: String,
    /// Its configuration; `None` where that cannot be read, and then a finding says why.
    pub config: Option<Config>,
    /// The versions that have a directory.
    pub editions: BTreeMap<Release, Edition>,
    /// Files of `docker/`.
    pub docker: Vec<String>,
    /// Files of `k8s/projects/<project>/`.
    pub k8s: Vec<String>,
    /// What is wrong with its files; what is wrong with what they say together is for the gate.
    pub findings: Vec<Finding>,
}

/// One version of a project.
#[derive(Debug, Clone)]
pub struct Edition {
    /// The version, as its directory is written.
    pub release: Release,
    /// Its directory.
    pub dir: String,
    /// Its installations (`from` is `None`) and upgrades that have a script, for each type of database.
    pub steps: BTreeMap<(Option<Release>, DatabaseType), Step>,
    /// The directories `upgrade/from-OLD` that hold a file, scripts or not.
    pub upgrades: BTreeMap<Release, String>,
}

/// The scripts of one installation or one upgrade of one type of database.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its directory.
    pub dir: String,
    /// All scripts, by role, stage and number.
    pub items: Vec<Item>,
}

impl Step {
    /// The scripts that make the change, in the order in which they run.
    pub fn forwards(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.role == Role::Forward)
    }

    /// What takes a script back, where it is a file of its own.
    pub fn rollback_of(&self, forward: &Item) -> Option<&Item> {
        self.beside(forward, Role::Rollback)
    }

    /// What proves a script.
    pub fn validation_of(&self, forward: &Item) -> Option<&Item> {
        self.beside(forward, Role::Validation)
    }

    /// Validations that lie in the directory of a stage and belong to none of its scripts: they prove the stage.
    pub fn checks_of(&self, stage: Stage) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| {
            item.role == Role::Validation
                && item.stage == Some(stage)
                && !self.forwards().any(|forward| forward.number == item.number)
        })
    }

    fn beside(&self, forward: &Item, role: Role) -> Option<&Item> {
        self.items.iter().find(|item| item.role == role && item.number == forward.number)
    }
}

impl Edition {
    /// The installation of a type of database.
    pub fn install(&self, kind: DatabaseType) -> Option<&Step> {
        self.steps.get(&(None, kind))
    }

    /// It has scripts for a new database, of whatever type.
    pub fn is_installable(&self) -> bool {
        self.steps.keys().any(|(from, _)| from.is_none())
    }
}

/// The names of the projects of a tree.
pub fn projects(tree: &Tree) -> Vec<String> {
    let names: BTreeSet<&str> = tree
        .files
        .iter()
        .filter_map(|file| file.path.strip_prefix(PROJECTS)?.strip_prefix('/')?.split_once('/'))
        .map(|(name, _)| name)
        .collect();
    names.into_iter().map(str::to_owned).collect()
}

impl Project {
    /// Reads one project of a tree.
    ///
    /// # Errors
    /// `NoSuchProject`, naming those that there are.
    pub fn read(tree: &Tree, name: &str) -> Result<Self, Box<Refusal>> {
        let names = projects(tree);
        if !names.iter().any(|known| known == name) {
            return Err(Box::new(no_such_project(tree, name, &names)));
        }
        let below = format!("{PROJECTS}/{name}/");
        let dir = tree.typed(below.trim_end_matches('/'));
        let mut reading = Reading { tree, findings: Vec::new(), editions: BTreeMap::new() };
        let config = reading.config(&format!("{below}{}", config::FILE), &dir, name);
        let mut docker = Vec::new();
        for file in &tree.files {
            let Some(path) = file.path.strip_prefix(&below) else { continue };
            if path.starts_with("docker/") {
                docker.push(tree.typed(&file.path));
            } else if path != config::FILE {
                reading.file(file, path, config.as_ref());
            }
        }
        let manifests = format!("{K8S}/{PROJECTS}/{name}/");
        let k8s = tree.files.iter().filter(|file| file.path.starts_with(&manifests));
        let k8s = k8s.map(|file| tree.typed(&file.path)).collect();
        let Reading { findings, mut editions, .. } = reading;
        for step in editions.values_mut().flat_map(|edition: &mut Edition| edition.steps.values_mut()) {
            step.items.sort_by_key(|item| (item.role, item.stage, item.number));
        }
        Ok(Self { name: name.to_owned(), dir, config, editions, docker, k8s, findings })
    }
}

fn no_such_project(tree: &Tree, name: &str, names: &[String]) -> Refusal {
    let root = if tree.root.is_empty() { "." } else { &tree.root };
    let refusal = Refusal::new(Code::NoSuchProject, format!("there is no project {name} in {root}"));
    let inside = format!("migrations/{PROJECTS}/");
    match (nearest(name, names.iter().map(String::as_str)), names) {
        (Some(near), _) => refusal.help(format!("did you mean --project {near}?")),
        (None, []) if tree.files.iter().any(|file| file.path.starts_with(&inside)) => {
            refusal.help(format!("--dir {}", tree.typed("migrations")))
        }
        (None, []) => refusal
            .cause(format!("it has no directory {PROJECTS}"))
            .help(format!("cofferdam new --project {name} --version v1.0.0 create_tables")),
        (None, names) => refusal
            .cause(format!("it has {}", names.join(", ")))
            .help(format!("cofferdam new --project {name} --version v1.0.0 create_tables begins one")),
    }
}

struct Reading<'t> {
    tree: &'t Tree,
    findings: Vec<Finding>,
    editions: BTreeMap<Release, Edition>,
}

impl Reading<'_> {
    fn config(&mut self, path: &str, dir: &str, name: &str) -> Option<Config> {
        let typed = self.tree.typed(path);
        let Some(file) = self.tree.file(path) else {
            self.findings.push(
                Finding::error(&typed, Code::BadProjectConfig, format!("{dir} has no {}", config::FILE))
                    .help("docs/projects.md has one to begin with"),
            );
            return None;
        };
        let read = cofferdam_formats::script(self.tree, file)
            .and_then(|script| Config::read(&typed, script.text.as_ref(), name));
        match read {
            Ok((config, findings)) => {
                self.findings.extend(findings);
                Some(config)
            }
            Err(refusal) => {
                self.findings.push(Finding { path: typed, ..Finding::from(*refusal) });
                None
            }
        }
    }

    /// One file below the project's directory.
    fn file(&mut self, file: &File, path: &str, config: Option<&Config>) {
        let typed = self.tree.typed(&file.path);
        let place = match place::of(path) {
            Ok(place) => place,
            Err(finding) => return self.findings.extend(finding.finding(&typed)),
        };
        let dir = typed.strip_suffix(&format!("/{}", place.below_version)).unwrap_or(&typed).to_owned();
        let edition = self.edition(&place, &dir);
        let release = edition.release.clone();
        if let Some(from) = &place.from {
            let upgrade = format!("{dir}/{}", place.step_dir());
            edition.upgrades.insert(from.clone(), upgrade);
        }
        let Within::Stage { kind, stage, role } = &place.within else { return };
        let kind = match kind.map_or_else(|| guessed(file, config), Ok) {
            Ok(kind) => kind,
            Err((cause, help)) => {
                let what = format!("it cannot be told which database {} is for", file.name());
                let finding = Finding::error(typed, Code::WrongDatabaseType, what).cause(cause).help(help);
                return self.findings.push(finding);
            }
        };
        if let Some(config) = config
            && !config.types().contains(&kind)
        {
            let what = format!("{typed} is for {kind}, and the project has no database of that type");
            let types: Vec<_> = config.types().into_iter().map(DatabaseType::id).collect();
            let finding = Finding::error(&typed, Code::WrongDatabaseType, what).cause(format!(
                "{} has {}",
                config::FILE,
                types.join(", ")
            ));
            return self.findings.push(finding);
        }
        match self.item(file, kind, *stage, *role, &release) {
            Ok(item) => {
                let step_dir = format!("{dir}/{}", place.step_dir());
                let Some(edition) = self.editions.get_mut(&release) else { return };
                let step = edition.steps.entry((place.from, kind));
                step.or_insert_with(|| Step { dir: step_dir, items: Vec::new() }).items.push(item);
            }
            Err(finding) => self.findings.push(*finding),
        }
    }

    fn edition(&mut self, place: &Place, dir: &str) -> &mut Edition {
        let fresh = || Edition {
            release: place.release.clone(),
            dir: dir.to_owned(),
            steps: BTreeMap::new(),
            upgrades: BTreeMap::new(),
        };
        let edition = self.editions.entry(place.release.clone()).or_insert_with(fresh);
        if edition.dir != dir {
            let what = format!("{dir} and {} are one version", edition.dir);
            let finding = Finding::error(dir, Code::BadProjectVersion, what)
                .help("move the files of the one into the other");
            // Said once, and not again for each of its files.
            if !self.findings.contains(&finding) {
                self.findings.push(finding);
            }
        }
        edition
    }

    fn item(
        &self,
        file: &File,
        kind: DatabaseType,
        stage: Option<Stage>,
        role: Option<Role>,
        release: &Release,
    ) -> Result<Item, Box<Finding>> {
        let typed = self.tree.typed(&file.path);
        let bad = |cause: String| {
            Finding::error(&typed, Code::BadScriptName, format!("{} is no name of a script", file.name()))
                .cause(cause)
        };
        let named = match kind.is_sql() {
            true => name::sql(file.name(), release),
            false => name::javascript(file.name(), role.unwrap_or(Role::Forward)),
        };
        let named = named.map_err(bad)?;
        // Beside its script a validation is fine; a rollback has a directory of its own, so that no tool that takes
        // a whole directory runs it.
        let fits = role.map_or(named.role != Role::Rollback, |role| role == named.role);
        if !fits {
            let (is, lies) = (named.role.word(), role.map_or("a stage", Role::word));
            return Err(bad(format!("by its name it is a {is}, and it lies in the directory of {lies}"))
                .help("move the file, or correct its first letter")
                .into());
        }
        let script = cofferdam_formats::script(self.tree, file)
            .map_err(|refusal| Finding { path: typed.clone(), ..Finding::from(*refusal) })?;
        Ok(Item {
            role: named.role,
            stage,
            number: named.number,
            digits: named.digits,
            description: named.description,
            script,
        })
    }
}

/// Which type of database a script of an upgrade is for, where no directory says it.
fn guessed(file: &File, config: Option<&Config>) -> Result<DatabaseType, (String, String)> {
    let sql = file.name().to_ascii_lowercase().ends_with(".sql");
    if !sql {
        return Ok(DatabaseType::Mongodb);
    }
    let Some(config) = config else { return Ok(DatabaseType::Postgresql) };
    let types: Vec<_> = config.types().into_iter().filter(|kind| kind.is_sql()).collect();
    match types.as_slice() {
        [one] => Ok(*one),
        [] => Ok(DatabaseType::Postgresql),
        [first, ..] => {
            let ids: Vec<_> = types.iter().map(|kind| kind.id()).collect();
            Err((
                format!("the project has {}, and the directory says none of them", ids.join(" and ")),
                format!("move it into a directory of its type: upgrade/from-OLD/{first}/STAGE/"),
            ))
        }
    }
}
