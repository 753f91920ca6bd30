//! Data directories that were initialised once, to be copied: making one takes the servers several seconds.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Kind, Programs};
use crate::identity::Identity;
use crate::{Result, ScratchError, cache};

/// What a change of the arguments must change, else old templates would be used on.
const GENERATION: u32 = 1;

/// The initialised data directory for these programs and this user, made if it is not there yet.
pub(super) fn template(programs: &Programs, user: Identity) -> Result<PathBuf> {
    let shelf = cache::shelf("templates", user)?;
    let place: String = programs
        .program
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let place = &place[place.len().saturating_sub(150)..];
    let folder = shelf.join(format!("my{GENERATION}-{}{place}-{}", programs.version_text, user.uid));
    if folder.is_dir() {
        return Ok(folder);
    }
    let _lock = cache::lock(&shelf)?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let staging = tempfile::Builder::new()
        .prefix(".initdb-")
        .tempdir_in(&shelf)
        .map_err(ScratchError::system(format!("cannot create a folder in {}", shelf.display())))?;
    user.own(staging.path())?;
    let data = staging.path().join("data");
    make(programs, user, &data)?;
    // The server's number, which each copy is to make for itself.
    let _ = fs::remove_file(data.join("auto.cnf"));
    fs::rename(&data, &folder)
        .map_err(ScratchError::system(format!("cannot rename to {}", folder.display())))?;
    Ok(folder)
}

fn make(programs: &Programs, user: Identity, data: &Path) -> Result<()> {
    let datadir = format!("--datadir={}", data.display());
    let mut command = match programs.kind {
        Kind::MySql => {
            let words = programs.words()?;
            let mut command = user.command(&words[0]);
            command.args(&words[1..]).args(["--no-defaults", "--initialize-insecure"]);
            command.args(programs.places().iter().map(|(name, value)| format!("--{name}={value}")));
            command
        }
        Kind::MariaDb => {
            let mut command = user.command("mariadb-install-db");
            // Root may come in over the socket without a password: nobody else reaches it.
            command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
            command.arg("--innodb-log-file-size=16M");
            command
        }
    };
    let output = command.arg(datadir).env("LC_ALL", "C").output();
    let output = output.map_err(ScratchError::system("cannot make a data directory"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
        return Err(ScratchError::DataDirectory { kind: programs.kind.name(), output: said });
    }
    Ok(())
}
