//! `project-config.yaml`: the databases of a project, its policies and its compatibility matrix.

mod file;
mod read;

use std::collections::BTreeMap;

use cofferdam_core::{Place, Span};

pub use file::{DatabaseType, Policies, ProjectConfig};
pub(crate) use read::is_name;

use crate::release::Release;

/// The name of the file.
pub const FILE: &str = "project-config.yaml";

/// The configuration of a project, read and understood.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its path, as the user would type it.
    pub path: String,
    /// Its text, for showing places in it.
    pub text: String,
    /// `metadata.description`.
    pub description: Option<String>,
    /// The databases by name, in the order in which they are declared, which is that of a run.
    pub databases: Vec<(String, Database)>,
    /// What every script must have.
    pub policies: Policies,
    /// What each version upgrades to and rolls back to.
    pub entries: BTreeMap<Release, Entry>,
}

/// A database of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// What it speaks.
    pub kind: DatabaseType,
    /// Its name on the server.
    pub name: String,
    /// The schemas that the scripts are about.
    pub schemas: Vec<String>,
}

/// What one version may become.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where its key stands.
    pub at: Span,
    /// In the order of the file.
    pub upgrades_to: Vec<Target>,
    /// In the order of the file.
    pub rollback_to: Vec<Target>,
}

/// A version that an entry names.
#[derive(Debug, Clone)]
pub struct Target {
    /// The version.
    pub release: Release,
    /// Where it stands.
    pub at: Span,
}

impl Config {
    /// A place in the file.
    pub(crate) fn place(&self, at: Span) -> Place {
        Place::new(&self.path, &self.text, at)
    }

    /// The types of its databases, each once, in their order.
    pub fn types(&self) -> Vec<DatabaseType> {
        let mut types = Vec::new();
        for (_, database) in &self.databases {
            if !types.contains(&database.kind) {
                types.push(database.kind);
            }
        }
        types
    }
}

/// The JSON Schema of the file, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ProjectConfig).to_value()
}
