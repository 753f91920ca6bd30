//! What lies in a folder: a directory of migrations, the projects of the framework, or several of these.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cofferdam_core::{Bundle, Fault, Result, Script};
use cofferdam_formats::{File, Tree};
use cofferdam_project::{Project, projects};

use crate::config::Settings;

/// One of them.
pub(super) enum Found {
    /// The migrations of a directory.
    Directory(PathBuf, Bundle),
    /// The scripts of a project that make changes, in order; and what to say of it.
    Project(Vec<Script>, Vec<String>),
}

/// What is in a tree. One without a migration at its top that cannot be read as a whole is taken for several, each of
/// which is read by itself: what one directory would be refused for (two files of one version, names of two tools) is
/// right in a folder of many.
///
/// # Errors
/// Why a directory is none. A file is never passed over because of it.
pub(super) fn found(tree: &Tree, settings: &Settings, engine: &str) -> Result<Vec<Found>> {
    let names = projects(tree);
    let configured = |name: &String| tree.file(&format!("projects/{name}/project-config.yaml")).is_some();
    if !names.is_empty() && names.iter().all(configured) {
        return names.iter().map(|name| project(tree, name, engine)).collect();
    }
    let below = below(tree);
    let several = !below.is_empty() && !tree.files.iter().any(|file| file.is_top_level() && is_sql(file));
    let projects_below = tree.files.iter().any(|file| file.name() == "project-config.yaml");
    if !(several && projects_below) {
        let format = settings.format.as_deref();
        match cofferdam_formats::read_with(tree, format, &settings.placeholders) {
            Ok(bundle) => return Ok(vec![Found::Directory(PathBuf::from(&tree.root), bundle)]),
            Err(why) if !several => return Err(Fault::Refused(why)),
            Err(_) => {}
        }
    }
    let mut all = Vec::new();
    for tree in below {
        all.extend(found(&tree, settings, engine)?);
    }
    Ok(all)
}

fn project(tree: &Tree, name: &str, engine: &str) -> Result<Found> {
    let project = Project::read(tree, name).map_err(Fault::Refused)?;
    let mut notes = Vec::new();
    if !project.findings.is_empty() {
        notes.push(format!(
            "of {name} not every file is a script: cofferdam verify --project {name} says why"
        ));
    }
    let mut scripts = Vec::new();
    for edition in project.editions.values() {
        for ((_, kind), step) in &edition.steps {
            if kind.id() == engine {
                scripts.extend(step.forwards().map(|item| item.script.clone()));
            } else {
                notes.push(format!("{} is for {kind}, and no file of it was looked at", step.dir));
            }
        }
    }
    Ok(Found::Project(scripts, notes))
}

/// The directories of a tree that hold SQL, each as a tree of its own.
fn below(tree: &Tree) -> Vec<Tree> {
    let of = |file: &File| file.path.split_once('/').map(|(directory, _)| directory.to_owned());
    let names: BTreeSet<String> = tree.files.iter().filter(|file| is_sql(file)).filter_map(of).collect();
    let tree_of = |name: String| {
        let inside = format!("{name}/");
        let file = |file: &File| {
            let path = file.path.strip_prefix(&inside)?.to_owned();
            Some(File { path, bytes: file.bytes.clone() })
        };
        Tree { root: tree.typed(&name), files: tree.files.iter().filter_map(file).collect() }
    };
    names.into_iter().map(tree_of).collect()
}

fn is_sql(file: &File) -> bool {
    file.name().to_ascii_lowercase().ends_with(".sql")
}
