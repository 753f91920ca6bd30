//! The multi-project framework: `projects/<project>` with its configuration, its versions and their scripts.
//!
//! Files in, a model, paths, findings and new files out: nothing here touches a file system or a database.
//! [`Project::read`] reads a tree, [`gate()`] judges it, [`Route`] is the way from one version to another with its
//! scripts in order, [`deploy`] makes migrations of it, [`scaffold`] and [`template`] write new files.

pub mod config;
pub mod deploy;
mod finding;
mod gate;
mod layout;
mod matrix;
mod name;
mod release;
mod route;
pub mod scaffold;
mod script;
mod stage;
pub mod template;

pub use config::{Config, DatabaseType, Policies};
pub use finding::Finding;
pub use gate::{Verdict, gate};
pub use layout::{Edition, Project, Step, projects};
pub use matrix::Matrix;
pub use release::Release;
pub use route::{Leg, LegKind, Route, StageRun, Task};
pub use script::{Item, Role};
pub use stage::Stage;
