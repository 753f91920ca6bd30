//! The DatabaseMigration that a run is for: in the cluster, or, to try it out without one, in a file.

use std::path::{Path, PathBuf};

use cofferdam_api::{DatabaseMigration, DatabaseMigrationStatus};
use cofferdam_operator::mirror::{Mirror, Unread};

/// Where it is.
#[derive(Clone)]
pub(crate) enum View {
    /// In the cluster.
    Cluster(Box<Mirror>),
    /// In a file of YAML or JSON; its status is in a file beside it.
    File(PathBuf),
}

impl View {
    /// As it is now, with its status.
    ///
    /// # Errors
    /// [`Unread`].
    pub(crate) async fn read(&self) -> Result<DatabaseMigration, Unread> {
        match self {
            View::Cluster(mirror) => mirror.read().await,
            View::File(path) => from_file(path),
        }
    }

    /// Writes all that the runner owns of the status.
    ///
    /// # Errors
    /// What stood in the way, for people.
    pub(crate) async fn write(&self, status: &DatabaseMigrationStatus) -> Result<(), String> {
        let path = match self {
            View::Cluster(mirror) => return mirror.write(status).await,
            View::File(path) => path,
        };
        let text = serde_json::to_string_pretty(status).map_err(|e| e.to_string())?;
        let (new, path) = (beside(path, "status.new"), beside(path, "status"));
        // Renamed, so that nobody reads half of it.
        std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path)).map_err(|e| e.to_string())
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn from_file(path: &Path) -> Result<DatabaseMigration, Unread> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(Unread::Gone),
        Err(e) => return Err(Unread::Failed(format!("{}: {e}", path.display()))),
    };
    let mut object: DatabaseMigration = serde_saphyr::from_str(&text)
        .map_err(|e| Unread::Failed(format!("{} is no DatabaseMigration: {e}", path.display())))?;
    let status = std::fs::read_to_string(beside(path, "status")).ok();
    object.status = status.and_then(|text| serde_json::from_str(&text).ok()).or(object.status);
    Ok(object)
}
