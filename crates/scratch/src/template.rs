//! Data directories that initdb has made once, to be copied: a copy takes a tenth of the time of an initdb.

use std::fs;
use std::path::PathBuf;

use crate::identity::Identity;
use crate::server::SUPERUSER;
use crate::{Binaries, Result, ScratchError, cache};

/// What a change of [`ARGUMENTS`] must change, else old templates would be used on.
const GENERATION: u32 = 1;

/// No syncing, because nobody misses a template; the C locale, because it is on every machine and sorts alike
/// everywhere.
const ARGUMENTS: &[&str] =
    &["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust", "--username", SUPERUSER];

/// The initialised data directory for these binaries and this user, made if it is not there yet.
pub(crate) fn template(binaries: &Binaries, user: Identity) -> Result<PathBuf> {
    let shelf = cache::shelf("templates", user)?;
    let folder = shelf.join(name(binaries, user));
    if folder.is_dir() {
        return Ok(folder);
    }
    let _lock = cache::lock(&shelf)?;
    // Somebody else may have made it while we waited.
    if folder.is_dir() {
        return Ok(folder);
    }
    let staging = tempfile::Builder::new()
        .prefix(".initdb-")
        .tempdir_in(&shelf)
        .map_err(ScratchError::system(format!("cannot create a folder in {}", shelf.display())))?;
    user.own(staging.path())?;
    let data = staging.path().join("data");
    let output = user
        .command(binaries.bin_dir.join("initdb"))
        .args(ARGUMENTS)
        .arg("--pgdata")
        .arg(&data)
        .env("LC_ALL", "C")
        .output()
        .map_err(ScratchError::system("cannot run initdb"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        return Err(ScratchError::Initdb { output: String::from_utf8_lossy(&said).trim().to_owned() });
    }
    fs::rename(&data, &folder)
        .map_err(ScratchError::system(format!("cannot rename to {}", folder.display())))?;
    Ok(folder)
}

/// `g1-15.18-usr-lib-postgresql-15-bin-101`. Two builds of one version may differ in what initdb writes, so the
/// folder of the programs is part of it.
fn name(binaries: &Binaries, user: Identity) -> String {
    let version = binaries.version_text.split(' ').next().unwrap_or_default();
    let place: String = binaries
        .bin_dir
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .collect();
    // The end of a long path tells more than its beginning, and a file name has at most 255 bytes.
    let place = &place[place.len().saturating_sub(180)..];
    format!("g{GENERATION}-{version}{place}-{}", user.uid)
}
