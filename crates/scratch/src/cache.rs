//! The folder for what is made once and used again: portable builds and initialised data directories.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::identity::{Identity, blocked_for_others, effective_uid};
use crate::{Result, ScratchError};

/// `$COFFERDAM_CACHE`; else as root `/var/cache/cofferdam`, because the server's user cannot enter root's home;
/// else `$XDG_CACHE_HOME/cofferdam` or `~/.cache/cofferdam`. It may not exist yet.
pub fn cache_dir() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    choose(effective_uid()? == 0, variable)
}

fn choose(root: bool, variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf> {
    if let Some(named) = variable("COFFERDAM_CACHE") {
        return Ok(named);
    }
    if root {
        return Ok(PathBuf::from("/var/cache/cofferdam"));
    }
    // The XDG specification says that a relative path is to be ignored.
    variable("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|parent| parent.join("cofferdam"))
        .ok_or_else(|| ScratchError::NoCache { why: "neither XDG_CACHE_HOME nor HOME is set".into() })
}

/// The folder `name` in the cache, made if need be, so that the server's user can pass through it.
pub(crate) fn shelf(name: &str, user: Identity) -> Result<PathBuf> {
    let cache = cache_dir()?;
    let shelf = cache.join(name);
    for folder in [&cache, &shelf] {
        if !folder.is_dir() {
            fs::create_dir_all(folder)
                .map_err(ScratchError::system(format!("cannot create {}", folder.display())))?;
            if user.switches() {
                open_to_all(folder)?;
            }
        }
    }
    if !user.reaches(&shelf) {
        let blocked = blocked_for_others(&shelf).unwrap_or(shelf);
        return Err(ScratchError::NoCache {
            why: format!("user {} may not pass through {}", user.uid, blocked.display()),
        });
    }
    Ok(shelf)
}

/// Lets everyone enter and read a folder, whatever our umask is.
pub(crate) fn open_to_all(folder: &Path) -> Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
        .map_err(ScratchError::system(format!("cannot open {} to all", folder.display())))
}

/// Holds the lock of a shelf until the value is dropped or the process ends. Waits for another holder.
pub(crate) fn lock(shelf: &Path) -> Result<File> {
    let path = shelf.join("lock");
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(ScratchError::system(format!("cannot open {}", path.display())))?;
    file.lock().map_err(ScratchError::system(format!("cannot lock {}", path.display())))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_chosen_in_the_documented_order() {
        type Case = (bool, &'static [(&'static str, &'static str)], Option<&'static str>);
        let cases: &[Case] = &[
            (true, &[("COFFERDAM_CACHE", "/c"), ("HOME", "/root")], Some("/c")),
            (false, &[("COFFERDAM_CACHE", "/c"), ("XDG_CACHE_HOME", "/x")], Some("/c")),
            (true, &[("XDG_CACHE_HOME", "/x"), ("HOME", "/root")], Some("/var/cache/cofferdam")),
            (false, &[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], Some("/x/cofferdam")),
            (false, &[("XDG_CACHE_HOME", "x"), ("HOME", "/h")], Some("/h/.cache/cofferdam")),
            (false, &[("HOME", "/h")], Some("/h/.cache/cofferdam")),
            (false, &[], None),
        ];
        for (root, set, expected) in cases {
            let found =
                choose(*root, |name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| PathBuf::from(v)));
            assert_eq!(found.ok(), expected.map(PathBuf::from), "{root} {set:?}");
        }
    }
}
