//! The files of TLS.

use std::path::{Path, PathBuf};

use super::Env;
use super::settings::Settings;

/// The files of TLS: those that are named, else libpq's own under `~/.postgresql` where they are there.
pub(super) struct Certificates {
    pub(super) root: Option<PathBuf>,
    /// A file of authorities was found, so that `require` means `verify-ca`.
    pub(super) root_is_named: bool,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

impl Certificates {
    pub(super) fn find(settings: &Settings, env: &dyn Env, warnings: &mut Vec<String>) -> Self {
        let usual = |name: &str| {
            env.home().map(|home| home.join(".postgresql").join(name)).filter(|file| file.is_file())
        };
        let named = |name| settings.get(name).map(PathBuf::from);
        // `system`, since libpq 16: the operating system's authorities, whatever lies in ~/.postgresql.
        let root = match settings.get("sslrootcert") {
            Some("system") => None,
            Some(file) => Some(PathBuf::from(file)),
            None => usual("root.crt"),
        };
        let cert = named("sslcert").or_else(|| usual("postgresql.crt"));
        let key = match cert {
            Some(_) => named("sslkey").or_else(|| usual("postgresql.key")),
            None => named("sslkey"),
        };
        if let Some(warning) = key.as_deref().and_then(open_key) {
            warnings.push(warning);
        }
        Self { root_is_named: root.is_some(), root, cert, key }
    }
}

/// libpq refuses a key that others may read; here it is a warning, since mounted Secrets are often like that.
#[cfg(unix)]
fn open_key(key: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(key).ok()?.permissions().mode();
    (mode & 0o007 != 0).then(|| format!("the key {} may be read by everybody: chmod 600 it", key.display()))
}

#[cfg(not(unix))]
fn open_key(_: &Path) -> Option<String> {
    None
}
